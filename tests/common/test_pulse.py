"""A frozen PostgreSQL is recognised within two seconds, ends the statements that wait for it, and is forgiven."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError, connections

from common.postgresql.base import Listening
from common.pulse import Pulse
from tests.crash.stores import Postgres, private_postgres
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def store(settings, monkeypatch, django_db_blocker) -> Iterator[Postgres]:
    """A server of our own under Django's default connection."""
    with private_postgres() as store, django_db_blocker.unblock():
        changed = {"PORT": urlsplit(store.url).port, "NAME": "gateway", "USER": "postgres", "PASSWORD": ""}
        for name, value in changed.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
            monkeypatch.setitem(connections["default"].settings_dict, name, value)
        connections["default"].close()
        yield store
        connections["default"].close()


def _ask() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_statement_in_a_frozen_server_ends_and_the_next_one_after_the_thaw_works(store):
    pulse = Pulse()
    pulse.start()
    try:
        _ask()
        assert not pulse.silent()
        store.freeze()
        began = time.monotonic()
        with pytest.raises(OperationalError, match="does not answer"):
            _ask()
        assert pulse.silent()
        assert time.monotonic() - began < 2.0
        store.thaw()
        wait_until(lambda: not pulse.silent(), timeout=5)
        connections["default"].close()
        _ask()
    finally:
        store.thaw()
        pulse.stop()


def test_a_server_that_is_down_is_silent_and_one_that_ended_our_sessions_is_not(store):
    pulse = Pulse()
    pulse.start()
    try:
        wait_until(store.backends)
        store.terminate_backends()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert not pulse.silent()
            time.sleep(0.01)
        store.stop()
        wait_until(pulse.silent, timeout=2)
        store.start()
        wait_until(lambda: not pulse.silent(), timeout=5)
    finally:
        pulse.stop()


def test_without_a_pulse_a_statement_waits_for_its_answer(store):
    with Listening.connect(store.url.replace("postgres://", "postgresql://")) as session:
        assert isinstance(session, psycopg.Connection)
        assert session.execute("SELECT 1 FROM pg_sleep(0.5)").fetchone() == (1,)
