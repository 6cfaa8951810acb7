"""`manage.py doctor`: each check with the thing really broken; what is down is a finding, never a traceback."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from kombu import Connection, Queue

from billing.models import LedgerSeal, Wallet
from common import partitions
from common.bus import durable_queue
from common.ids import IdFactory, derive, new_id
from common.queues import Work, work_queue
from connectors.models import BindLease, BindState
from gateway_project import doctor
from gateway_project.doctor import broker, cache, configuration, database, disk, lines, money, work
from gateway_project.doctor.findings import Check, Level, address, ok
from messaging.models import Delivery, IdempotencyKey, LineBatch, OutboxBatch, Part, Status
from tests.admin.rows import MAKE
from tests.messaging.underway import accepted, now
from tests.support.cast import customer, make_connector

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = Fernet.generate_key().decode()


def told(findings, level: Level) -> str:
    """What findings of the level say, with what to do."""
    return "\n".join(f"{finding.what} → {finding.do}" for finding in findings if finding.level is level)


def failed(findings) -> str:
    return told(findings, Level.FAIL)


def warned(findings) -> str:
    return told(findings, Level.WARN)


def levels(findings) -> set[Level]:
    return {finding.level for finding in findings}


# -- the command


def run(without: str = "", **environment: str) -> tuple[int, dict, str, float]:
    started = time.monotonic()
    inherited = {name: value for name, value in os.environ.items() if name != without}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env={**inherited, "DJANGO_SETTINGS_MODULE": "gateway_project.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    facts = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, facts, done.stderr, time.monotonic() - started


def by_check(facts: dict) -> dict[str, str]:
    return {finding["check"]: f"{finding['level']} {finding['what']}" for finding in facts["findings"]}


@pytest.fixture
def deaf_port():
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def stores_at(port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgres://gateway:s3cret@127.0.0.1:{port}/gateway",
        "BROKER_URL": f"amqp://gateway:s3cret@127.0.0.1:{port}//",
        "CACHE_URL": f"redis://:s3cret@127.0.0.1:{port}/0",
    }


def test_stores_that_are_down_are_findings(tmp_path):
    status, facts, errors, _ = run(**stores_at(1), GATEWAY_VAR=str(tmp_path))
    found = by_check(facts)
    assert status == 1 and facts["ok"] is False
    assert "Traceback" not in errors
    for check in ("database", "broker", "redis"):
        assert found[check].startswith("fail") and "does not answer" in found[check], found[check]
    for check in ("migrations", "partitions", "connectors", "work", "money"):
        assert found[check] == "warn not looked at while the database does not answer"
    assert "disk" in found and "s3cret" not in json.dumps(facts)


def test_stores_that_never_answer_do_not_hold_the_doctor_up(deaf_port, tmp_path):
    status, facts, errors, seconds = run(**stores_at(deaf_port), GATEWAY_VAR=str(tmp_path))
    found = by_check(facts)
    assert status == 1 and "Traceback" not in errors
    assert all(found[check].startswith("fail") for check in ("database", "broker", "redis"))
    assert seconds < 15  # of which the interpreter's start is most; each check has two


def test_settings_that_are_missing_are_one_line(tmp_path):
    status, _, errors, _ = run(without="SECRET_KEY", **stores_at(1), GATEWAY_VAR=str(tmp_path))
    assert status == 1 and len(errors.strip().splitlines()) == 1 and "SECRET_KEY" in errors


# -- the runner


def test_a_check_that_hangs_or_breaks_leaves_the_others_alone():
    never = threading.Event()

    def hangs():
        yield ok("so far")
        never.wait(20)

    def breaks():
        raise RuntimeError("boom\nmore")

    started = time.monotonic()
    found = doctor.run(
        [Check("hangs", hangs), Check("breaks", breaks), Check("fine", lambda: [ok("all is well")])], patience=0.1
    )
    never.set()
    assert time.monotonic() - started < 5
    assert [(item.check, item.finding.level.value) for item in found] == [
        ("hangs", "ok"), ("hangs", "fail"), ("breaks", "fail"), ("fine", "ok"),
    ]  # fmt: skip
    assert "no answer within" in found[1].finding.what
    assert found[2].finding.what == "could not be checked: RuntimeError: boom"


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_ends_after_two_seconds():
    def slow():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        yield ok("never")

    (item,) = doctor.run([Check("slow", slow, needs_database=True)], patience=10)
    assert item.finding.level is Level.WARN and "too much" in item.finding.what


def test_an_address_never_shows_its_password():
    assert address("amqp://guest:secret@broker:5672//") == "broker:5672"
    assert address("redis://:secret@cache/0") == "cache"


# -- settings


GOOD = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
    "FIELD_ENCRYPTION_KEYS": [KEY],
    "ALLOWED_HOSTS": ["sms.example.com"],
    "PUBLIC_BASE_URL": "https://sms.example.com",
    "CSRF_TRUSTED_ORIGINS": ["https://sms.example.com"],
    "SESSION_COOKIE_SECURE": True,
    "OUTBOUND_HTTP_ALLOW": [],
    "TRUSTED_PROXIES": ["10.0.0.0/8"],
    "RETENTION_DAYS": 0,
    "DELIVERY_SCHEDULE_SCALE": 1.0,
}


def test_settings_that_agree_are_fine(settings):
    for name, value in GOOD.items():
        setattr(settings, name, value)
    assert levels(configuration.look()) == {Level.OK}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("name", "value", "level", "words"),
    [
        ("SECRET_KEY", "", Level.FAIL, "SECRET_KEY is short"),
        ("SECRET_KEY", "change-me", Level.FAIL, "SECRET_KEY is short"),
        ("FIELD_ENCRYPTION_KEYS", [], Level.FAIL, "FIELD_ENCRYPTION_KEYS is empty"),
        ("FIELD_ENCRYPTION_KEYS", [KEY, "nonsense"], Level.FAIL, "key 2 of FIELD_ENCRYPTION_KEYS"),
        ("ALLOWED_HOSTS", ["*"], Level.WARN, "every host name"),
        ("ALLOWED_HOSTS", ["localhost"], Level.FAIL, "add sms.example.com to ALLOWED_HOSTS"),
        ("PUBLIC_BASE_URL", "sms.example.com", Level.FAIL, "is no address"),
        ("PUBLIC_BASE_URL", "http://sms.example.com", Level.WARN, "nobody can log in"),
        ("SESSION_COOKIE_SECURE", False, Level.WARN, "COOKIES_SECURE=true"),
        ("CSRF_TRUSTED_ORIGINS", [], Level.WARN, "CSRF_TRUSTED_ORIGINS=https://sms.example.com"),
        ("DEBUG", True, Level.FAIL, "DEBUG"),
        ("BROKER_URL", "memory://", Level.FAIL, "set BROKER_URL"),
        ("CACHE_URL", "", Level.FAIL, "set CACHE_URL"),
        ("DATABASES", {"default": {"ENGINE": "django.db.backends.sqlite3"}}, Level.FAIL, "set DATABASE_URL"),
        ("TRUSTED_PROXIES", ["0.0.0.0/0"], Level.FAIL, "everybody"),
        ("OUTBOUND_HTTP_ALLOW", ["nowhere"], Level.FAIL, "is no network"),
        ("RETENTION_DAYS", 3, Level.FAIL, "too short"),
        ("DELIVERY_SCHEDULE_SCALE", 0.01, Level.WARN, "0.01 times"),
    ],
)
def test_settings_that_contradict_are_named(settings, name, value, level, words):
    for other, good in GOOD.items():
        setattr(settings, other, good)
    setattr(settings, name, value)
    found = list(configuration.look())
    assert words in told(found, level)
    assert all(finding.do for finding in found)


# -- the database


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


# -- the broker


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


# -- redis


def test_a_redis_that_forgets_is_a_failure():
    client = redis.Redis.from_url(django_settings.CACHE_URL)
    before = client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert levels(cache.look()) == {Level.OK}
    try:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy is allkeys-lru" in failed(cache.look())
    finally:
        client.config_set("maxmemory-policy", before)


# -- connectors


def bound(line, *, number: int = 1, state: str = "bound", **fields) -> None:
    BindLease.objects.create(
        connector=line, bind_no=number, owner="here", fence=1, expires_at=fields.pop("until", now() + timedelta(10))
    )
    BindState.objects.create(connector=line, bind_no=number, state=state, **fields)


@pytest.mark.django_db
def test_binds_that_are_up_are_one_line_a_connector():
    line = make_connector("smpp1", binds=2)
    bound(line)
    bound(line, number=2)
    (found,) = lines.look()
    assert (found.level, found.what) == (Level.OK, "smpp1: 2 bound")


@pytest.mark.django_db
def test_a_bind_that_is_refused_says_why_and_when_it_tries_again():
    bound(
        make_connector("smpp1"), state="refused", last_error="ESME_RINVPASWD", next_try_at=now() + timedelta(seconds=40)
    )
    assert "smpp1 bind 1: refused, ESME_RINVPASWD; next try in 40 s" in failed(lines.look())


@pytest.mark.django_db
def test_a_bind_that_nobody_holds_is_a_failure():
    make_connector("smpp1")
    bound(make_connector("smpp2"), until=now() - timedelta(seconds=5))
    assert failed(lines.look()).count("no process holds it → start the process binds") == 2


@pytest.mark.django_db
def test_a_bind_whose_process_is_silent_is_a_failure():
    bound(make_connector("smpp1"))
    BindState.objects.update(updated_at=now() - timedelta(minutes=2))
    assert "here holds it and says nothing" in failed(lines.look())


@pytest.mark.django_db
def test_no_line_to_send_over_is_a_warning():
    assert "no active connector" in warned(lines.look())
    make_connector(desired="stopped")
    assert "every connector is stopped" in warned(lines.look())


# -- work


@pytest.mark.django_db
def test_what_is_done_in_time_is_fine():
    who = customer()
    accepted(who)
    accepted(who, status=Status.SCHEDULED, send_at=now() + timedelta(hours=1))
    OutboxBatch.objects.create(connector=who.connector, lane="bulk", parts="", created_at=now())
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now(), pdus="")
    assert levels(work.look()) == {Level.OK}


def stale_hint(who):
    OutboxBatch.objects.create(connector=who.connector, lane="bulk", parts="", created_at=now() - timedelta(seconds=30))


def stale_schedule(who):
    accepted(who, status=Status.SCHEDULED, send_at=now() - timedelta(seconds=30))


def stale_doubt(who):
    accepted(who, status=Status.UNCERTAIN)
    Part.objects.update(uncertain_until=now() - timedelta(seconds=30))


def stale_validity(who):
    accepted(who, expires_at=now() - timedelta(minutes=3))


def stale_line(who):
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now() - timedelta(seconds=30), pdus="")


def webhook(who, **fields):
    message = accepted(who)
    Delivery.objects.create(
        id=derive(message.id, 1001), account=who.account, subject=message.id, kind="dlr", url="https://x.example/",
        body="{}", created_at=now(), **fields,
    )  # fmt: skip


def stale_webhook(who):
    webhook(who, state="PENDING", next_try_at=now() - timedelta(minutes=3))


def stale_claim(who):
    webhook(who, state="CLAIMED", lease_until=now() - timedelta(minutes=3))


def stale_key(who):
    IdempotencyKey.objects.create(
        account=who.account, key="k", request_hash="", response="", created_at=now() - timedelta(hours=50)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (stale_hint, "a hint for a queue waits for 30 s"),
        (stale_schedule, "a message whose date has come waits for 30 s"),
        (stale_doubt, "a message in doubt waits for 30 s"),
        (stale_validity, "a message whose validity is over waits for 3 min"),
        (stale_line, "what a carrier said waits for 30 s"),
        (stale_webhook, "a webhook that is due waits for 3 min"),
        (stale_claim, "a webhook whose process died waits for 3 min"),
        (stale_key, "an old idempotency key waits for 2 d"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_clock_or_a_worker_that_stands_still_is_told_by_what_it_leaves(make, words):
    make(customer())
    found = failed(work.look())
    assert words in found and "start the process" in found
    assert found.count("\n") == 0


def waiting_part(who, *, seconds: int = 600) -> None:
    accepted(who, id=IdFactory(1).draw(int((time.time() - seconds) * 1000)))


@pytest.mark.django_db
def test_a_rule_that_waits_for_a_decision_is_a_warning():
    proposal = MAKE["messaging.IdRuleProposal"]()
    said = warned(lines.look())
    assert f"receipts of {proposal.carrier_account} meet no message; by the rule hex_to_dec they would" in said
    assert f"dlr_doctor {proposal.carrier_account} shows why" in said


@pytest.mark.django_db
def test_messages_that_wait_for_a_line_are_told_by_its_state():
    who = customer()
    waiting_part(who)
    assert "is not bound, and messages wait for it: 10 min" in failed(work.look())
    bound(who.connector)
    assert "is bound, and its oldest message waits for 10 min" in warned(work.look())
    type(who.connector).objects.update(desired="stopped")
    assert "is off, and messages wait for it" in warned(work.look())


@pytest.mark.django_db
def test_a_message_whose_date_has_just_come_does_not_wait_since_it_was_accepted():
    accepted(customer(), id=IdFactory(1).draw(int((time.time() - 86_400) * 1000)), send_at=now())
    assert levels(work.look()) == {Level.OK}


@pytest.mark.django_db
def test_what_was_given_up_is_a_warning():
    who = customer()
    webhook(who, state="EXHAUSTED")
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now(), pdus="00", tries=5)
    found = warned(work.look())
    assert "1 webhooks were given up → python manage.py replay_deliveries" in found
    assert "1 batches of carrier PDUs could not be understood" in found


# -- money and disk


@pytest.mark.django_db
def test_a_balance_that_its_entries_do_not_explain_is_a_failure():
    who = customer()
    assert levels(money.look()) == {Level.OK}
    Wallet.objects.filter(account=who.account).update(balance=F("balance") + 1)
    assert f"I2 account {who.account.pk}" in failed(money.look())


@pytest.mark.django_db
def test_a_ledger_that_nobody_seals_is_a_warning():
    LedgerSeal.objects.create(day=(now() - timedelta(days=9)).date(), entries=0, head="0" * 64)
    assert "audit_ledger --seal, every night" in warned(money.look())


def test_a_directory_that_is_missing_or_full_is_a_failure(settings, tmp_path, monkeypatch):
    settings.GATEWAY_VAR = tmp_path
    assert failed(disk.look()) == "" or disk.shutil.disk_usage(tmp_path).free < disk.LEAST_OCTETS
    usage = disk.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=usage.total // 20))
    assert "5%" in warned(disk.look())
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "free or add disk space" in failed(disk.look())
    settings.GATEWAY_VAR = tmp_path / "nowhere"
    assert "mkdir -p" in failed(disk.look())
