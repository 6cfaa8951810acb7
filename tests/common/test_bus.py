"""The publisher: confirmed means in the queue; a broker that is away costs nobody an answer."""

import socket
import threading
import time

import pytest
from django.conf import settings
from kombu import Connection

from common import bus
from common.bus import Publisher, durable_queue
from tests.support.cast import unique
from tests.support.waiting import wait_until


@pytest.fixture
def broker():
    with Connection(settings.BROKER_URL) as connection:
        yield connection


@pytest.fixture
def publisher():
    publisher = Publisher(settings.BROKER_URL)
    yield publisher
    publisher.close()


def bodies(connection, name):
    queue = durable_queue(name)(connection.channel())
    found = []
    while message := queue.get(no_ack=True):
        found.append(message.payload)
    queue.delete()
    return found


def test_what_is_confirmed_is_in_the_queue_in_order(broker, publisher):
    name, confirmed = unique("bus"), []
    for i in range(50):
        assert publisher.publish(name, {"ids": [i]}, on_confirmed=lambda i=i: confirmed.append(i))
    wait_until(lambda: len(confirmed) == 50)
    assert [body["ids"] for body in bodies(broker, name)] == [[i] for i in range(50)]


def test_a_deleted_queue_is_declared_again(broker, publisher):
    name, confirmed = unique("bus"), []
    publisher.publish(name, 1, on_confirmed=lambda: confirmed.append(1))
    wait_until(lambda: confirmed)
    durable_queue(name)(broker.channel()).delete()
    publisher.publish(name, 2, on_confirmed=lambda: confirmed.append(2))
    wait_until(lambda: confirmed == [1, 2])
    assert bodies(broker, name) == [2]


def test_with_the_broker_away_publishing_never_blocks_and_is_given_up(monkeypatch):
    monkeypatch.setattr(bus, "PATIENCE", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        away = Publisher(f"amqp://guest:guest@127.0.0.1:{taken.getsockname()[1]}//")
        began = time.monotonic()
        assert away.publish("anything", 1, on_confirmed=lambda: pytest.fail("confirmed by nobody"))
        assert time.monotonic() - began < 0.1
        wait_until(lambda: away.dropped == 1)
        away.close()


def test_a_full_line_refuses_at_once(monkeypatch):
    monkeypatch.setattr(bus, "LINE", 2)
    monkeypatch.setattr(Publisher, "_run", lambda self: threading.Event().wait(0.5))
    stuck = Publisher(settings.BROKER_URL)
    assert [stuck.publish("q", n) for n in range(3)] == [True, True, False]
    assert stuck.dropped == 1


def test_closing_publishes_what_waits(broker):
    name = unique("bus")
    publisher = Publisher(settings.BROKER_URL)
    for i in range(20):
        publisher.publish(name, i)
    publisher.close()
    assert bodies(broker, name) == list(range(20))
