"""`doctor` on database, broker and Redis: each check with the thing really broken."""

from datetime import timedelta

import pytest
import redis
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.db import connection
from kombu import Connection, Queue

from billing.models import LedgerSeal
from common import partitions
from common.bus import durable_queue
from common.ids import IdFactory, new_id
from common.queues import Work, work_queue
from gateway_project.doctor import broker, cache, database
from gateway_project.doctor.findings import Level
from tests.gateway_project.doctor_findings import failed, levels, told, warned
from tests.messaging.underway import accepted, now
from tests.support.cast import customer, make_connector

KEY = Fernet.generate_key().decode()


@pytest.mark.django_db
def test_a_database_as_it_should_be():
    assert levels(database.look()) == levels(database.migrations()) == levels(database.months()) == {Level.OK}
    assert levels(database.clock()) == levels(database.secrets()) == {Level.OK}


@pytest.mark.django_db
def test_durability_that_is_off_is_a_failure():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    assert "synchronous_commit is off" in failed(database.look())


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_named():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'billing' AND name = '0002_append_only'")
    assert "billing.0002_append_only → python manage.py migrate" in failed(database.migrations())


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "level"), [(2, Level.WARN), (-2, Level.WARN), (10, Level.FAIL), (-10, Level.FAIL)])
def test_clocks_that_differ_are_found(monkeypatch, seconds, level):
    monkeypatch.setattr(database, "utc_now", lambda: now() + timedelta(seconds=seconds))
    assert "apart → start chrony" in told(database.clock(), level)


def drop_month(ahead: int) -> str:
    year, month = partitions.months_from(now(), ahead + 1)[-1]
    name = f"messaging_part_{year}{month:02}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")
    return name


@pytest.mark.django_db
def test_a_month_that_is_missing_is_a_failure_before_it_begins():
    name = drop_month(1)
    assert f"{name} → python manage.py partitions --ensure" in failed(database.months())


@pytest.mark.django_db
def test_a_month_that_is_made_late_is_a_warning():
    name = drop_month(2)
    found = list(database.months())
    assert name in warned(found) and not failed(found)


@pytest.mark.django_db
def test_rows_beside_their_month_are_a_failure():
    accepted(customer(), id=IdFactory(1).draw(1_900_000_000_000))
    assert "DEFAULT of messaging_message, messaging_part" in failed(database.months())


@pytest.mark.django_db
def test_a_retention_that_is_held_up_says_by_what(settings):
    settings.RETENTION_DAYS = 30
    old = now() - timedelta(days=100)
    for table in partitions.tables():
        partitions._make(table, old.year, old.month)
    for day in (old, now()):
        LedgerSeal.objects.create(day=day.date(), entries=0, head="0" * 64)
    assert levels(database.months()) == {Level.OK}
    accepted(customer(), id=IdFactory(1).draw(int(old.timestamp() * 1000)))
    assert f"messaging_part_{old.year}{old.month:02} has rows with status = 'QUEUED'" in warned(database.months())


@pytest.mark.django_db
def test_secrets_of_another_key_are_found(settings):
    make_connector()
    settings.FIELD_ENCRYPTION_KEYS = [KEY]
    assert "no key opens the stored secrets of connectors" in failed(database.secrets())


@pytest.fixture
def queues(settings):
    """A connection, and a name space without queues; what is declared in it is deleted."""
    settings.GATEWAY_QUEUE_PREFIX = f"doctor-{new_id().hex}."
    with Connection(settings.BROKER_URL) as link:
        yield link
    with Connection(settings.BROKER_URL) as link:  # a channel whose consumers lose their queue is of no more use
        for name in Work:
            link.channel().queue_delete(work_queue(name))


def test_queues_that_are_not_there_are_named(queues):
    found = list(broker.look())
    assert len(found) == len(Work) and levels(found) == {Level.FAIL}
    assert f"no queue {work_queue(Work.DELIVERIES)} → start the process deliveries" in failed(found)
    assert len(list(broker.look())) == len(Work)  # to look has made none


def test_queues_without_a_worker_are_named(queues):
    for name in Work:
        durable_queue(work_queue(name))(queues.channel()).declare()
    assert f"nobody listens to {work_queue(Work.EVENTS)} (0 wait)" in failed(broker.look())


def test_queues_with_workers_are_fine_until_hints_pile_up(queues, monkeypatch):
    for name in Work:
        durable_queue(work_queue(name))(queues.channel()).declare()
        queues.Consumer(Queue(work_queue(name), no_declare=True), prefetch_count=1, auto_declare=False).consume()
    assert levels(broker.look()) == {Level.OK}
    monkeypatch.setattr(broker, "MANY", -1)
    assert "hints wait in" in warned(broker.look())


def test_a_queue_of_another_type_is_a_failure(queues):
    Queue(work_queue(Work.SCHEDULE), durable=False)(queues.channel()).declare()
    assert f"queue {work_queue(Work.SCHEDULE)} is not a durable classic queue" in failed(broker.look())


def test_the_broker_of_one_process_is_fine(settings):
    settings.BROKER_URL = "memory://"
    assert levels(broker.look()) == {Level.OK}


def test_a_redis_that_forgets_is_a_failure():
    client = redis.Redis.from_url(django_settings.CACHE_URL)
    before = client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert levels(cache.look()) == {Level.OK}
    try:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy is allkeys-lru" in failed(cache.look())
    finally:
        client.config_set("maxmemory-policy", before)
