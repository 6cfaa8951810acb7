"""The private stores break as told and come back on the same port, with what was committed and nothing else."""

import kombu
import psutil
import psycopg
import pytest
import redis

from tests.crash.stores import Rabbit, private_postgres, private_rabbit, private_redis
from tests.services.answering import POSTGRESQL, REDIS, first_answering
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def test_postgresql_keeps_what_was_committed_through_every_kind_of_death():
    with private_postgres() as store:
        with store.session("gateway") as session:
            session.execute("CREATE TABLE kept (n int)")
        for number, fault in enumerate((store.kill, store.stop, store.restart_immediate)):
            with store.session("gateway") as session:
                session.execute("INSERT INTO kept VALUES (%s)", [number])
            fault()
            store.start()
            assert store.value("SELECT count(*) FROM kept") == number + 1
        assert store.value("SHOW fsync") == "on"


def test_postgresql_loses_its_sessions_one_or_all():
    with private_postgres() as store:
        url = store.url.replace("postgres://", "postgresql://")
        first, second = psycopg.connect(url), psycopg.connect(url)
        assert sorted(store.backends()) == sorted([first.info.backend_pid, second.info.backend_pid])
        assert store.terminate_backends() == 2
        for session in (first, second):
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
        third, bystander = psycopg.connect(url), psycopg.connect(url)
        innocent = bystander.info.backend_pid
        store.kill_backend(third.info.backend_pid)
        wait_until(lambda: not psutil.pid_exists(innocent))
        with pytest.raises(psycopg.OperationalError):
            bystander.execute("SELECT 1")
        wait_until(lambda: first_answering(POSTGRESQL, (store.url,)), timeout=20)


def test_a_frozen_postgresql_takes_connections_and_says_nothing():
    with private_postgres() as store:
        store.freeze()
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(store.url.replace("postgres://", "postgresql://"), connect_timeout=2)
        store.thaw()
        assert store.value("SELECT 1") == 1


def test_redis_forgets_everything_when_flushed_or_restarted():
    with private_redis() as store:
        client = redis.Redis.from_url(store.url)
        for fault in (store.flush, store.stop, store.kill):
            client.set("k", "v")
            fault()
            store.start()
            wait_until(lambda: first_answering(REDIS, (store.url,)))
            assert client.get("k") is None
        assert store.kill_clients() >= 1


def test_rabbitmq_keeps_durable_messages_through_kill_and_loses_them_by_reset():
    with private_rabbit() as store:
        _publish(store)
        store.kill()
        assert not store.running
        store.start()
        assert _waiting(store) == 1
        store.reset()
        assert _waiting(store) is None
        _publish(store)
        store.lose_disk()
        store.start()
        assert _waiting(store) is None
        store.freeze()
        store.thaw()
        store.close_connections()


def _publish(store: Rabbit) -> None:
    with kombu.Connection(store.url, transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        kombu.Queue("kept", durable=True)(channel).declare()
        kombu.Producer(channel).publish({}, routing_key="kept", delivery_mode=2, confirm_timeout=10)


def _waiting(store: Rabbit) -> int | None:
    with kombu.Connection(store.url) as connection:
        try:
            return int(
                kombu.Queue("kept", durable=True)(connection.channel()).queue_declare(passive=True).message_count
            )
        except connection.channel_errors:
            return None
