"""Celery keeps a worker's database connection between tasks, and drops one that is broken or too old."""

import socket
import time

import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_postrun, task_prerun
from django.db import connection

from gateway_project.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


def between_tasks():
    """What a worker does after a task and before the next one."""
    fixup = DjangoWorkerFixup(app)
    fixup.close_database()
    task_postrun.send(sender=None)
    task_prerun.send(sender=None)


def connected(max_age):
    """The connection of this thread, made under such a CONN_MAX_AGE."""
    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = max_age
    connection.ensure_connection()
    return connection.connection


@pytest.fixture(autouse=True)
def _as_it_was():
    age = connection.settings_dict["CONN_MAX_AGE"]
    yield
    connection.settings_dict["CONN_MAX_AGE"] = age
    connection.close()


def test_a_connection_outlives_its_task():
    held = connected(60)
    for _ in range(3):
        between_tasks()
    assert connection.connection is held


def test_one_that_is_too_old_is_renewed():
    connected(60)
    connection.close_at = time.monotonic() - 1
    between_tasks()
    assert connection.connection is None


def test_one_that_the_server_ended_is_renewed_before_the_next_task(monkeypatch):
    held = connected(60)
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
    connection.health_check_enabled = True
    held.close()
    between_tasks()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert connection.connection is not held


class Enough(Exception):
    """Three tries have shown it."""


def test_a_broker_that_is_away_is_asked_every_second_however_long_it_is_away():
    waits = []

    def failed(_, wait):
        waits.append(wait)
        if len(waits) == 3:
            raise Enough

    with socket.socket() as nobody, app.connection_for_read() as connection:
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        away = app.connection_for_read(url=f"amqp://guest:guest@127.0.0.1:{nobody.getsockname()[1]}//")
        assert type(away) is type(connection)
        with pytest.raises(Enough):
            away.ensure_connection(failed, None, callback=None)
    assert waits == [1, 1, 1]
