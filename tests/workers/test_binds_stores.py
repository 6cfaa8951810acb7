"""PostgreSQL sessions that are killed, RabbitMQ connections that break, bodies that nobody can read."""

import threading

import pytest
from django.conf import settings
from django.db import connection
from kombu import Connection

from common.bus import durable_queue
from common.queues import Lane, submit_queue
from messaging import claims
from messaging.models import Part
from tests.support.waiting import wait_until
from tests.workers.bind_cast import scene
from workers.binds.hints import HintConsumer

pytestmark = pytest.mark.django_db(transaction=True)


def test_database_sessions_that_are_killed_cost_nothing():
    with scene(simulator={"answer_ms": 20}) as found:
        found.send_all([{"to": f"97150{n:07d}", "content": f"marker {n}"} for n in range(800)])
        for submits in (100, 300, 500):
            wait_until(lambda least=submits: found.smsc.counters["submits"] >= least, step=0.001)
            kill_sessions()
        found.until(lambda: not Part.objects.exclude(status="DELIVERED").exists(), timeout=30)
        copies = len(found.texts) - len(set(found.texts))
        flagged = Part.objects.filter(possible_duplicate=True).count()
        assert len(set(found.texts)) == 800
        assert copies <= flagged
        assert found.cast.balance == 200


def kill_sessions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )


def test_hints_come_back_after_the_broker_closed_the_connection():
    with scene() as found:
        hints = found.binds._service._hints
        wait_until(lambda: hints._consumers)
        before = hints._generation
        hints._command(lambda: hints._channel.connection.sock.close())
        wait_until(lambda: hints._generation > before and len(hints._consumers) == 3, timeout=5)
        found.until_status(found.send(), "DELIVERED")


def test_a_body_that_nobody_can_read_is_dropped_and_the_queue_goes_on():
    with scene() as found:
        queue = submit_queue(found.line.name, Lane.TRANSACTIONAL)
        with Connection(settings.BROKER_URL, connect_timeout=3) as broker:
            channel = broker.channel()
            producer = broker.Producer(channel)
            for body in ({"no": "ids"}, {"ids": ["not hex"]}, [1, 2], "text"):
                producer.publish(body, routing_key=queue, serializer="json")
            producer.publish(b"\xff{", routing_key=queue, content_type="application/json", content_encoding="utf-8")
            found.until_status(found.send(), "DELIVERED")
            name = durable_queue(queue).name
            wait_until(lambda: channel.queue_declare(name, passive=True).message_count == 0)


def test_a_body_is_acked_only_after_its_claim_has_committed(monkeypatch):
    real, hold = claims.claim, threading.Event()

    def claim(**wanted):
        if wanted["ids"]:
            hold.wait(10)
        return real(**wanted)

    monkeypatch.setattr(claims, "claim", claim)
    settled = []
    original = HintConsumer._receiver

    def receiver(self, name):
        return lambda body, message: original(self, name)(body, Watched(message, settled))

    monkeypatch.setattr(HintConsumer, "_receiver", receiver)
    with scene() as found:
        wait_until(lambda: found.binds._service._hints._consumers)
        wait_until(lambda: not lanes_of(found)._stirred)
        sent = found.send()
        wait_until(lambda: lanes_of(found).buffers[Lane.TRANSACTIONAL].heard > 0)
        assert settled == []
        hold.set()
        found.until_status(sent, "DELIVERED")
        wait_until(lambda: settled == ["ack"])


class Watched:
    """A message of the broker that tells what became of it."""

    def __init__(self, message, settled):
        self._message, self._settled = message, settled

    def ack(self):
        self._settled.append("ack")
        self._message.ack()

    def requeue(self):
        self._settled.append("requeue")
        self._message.requeue()

    def reject(self, requeue=False):
        self._settled.append("reject")
        self._message.reject(requeue=requeue)


def lanes_of(found):
    return next(iter(found.binds._service._runners.values())).lanes
