"""kill -9 of the embedded gateway in the middle of accepted messages: nothing lost, nothing charged twice."""

import itertools
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.embedded import EmbeddedGateway
from tests.support.running import WebhookReceiver
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

MESSAGES = 1_000
WINDOW = 100  # of the demo connector

pytestmark = pytest.mark.slow


def test_what_was_acknowledged_survives_the_death_of_the_process(tmp_path):
    gateway = EmbeddedGateway(tmp_path)
    # The carrier and the customer live outside: they must not die with the gateway.
    carrier = SimulatorThread(SimulatorConfig(host="127.0.0.1", port=gateway.simulator_port, delay_ms="50-400"))
    with WebhookReceiver() as customer, carrier:
        gateway.start("--external-simulator")
        try:
            acknowledged = _send_and_kill(gateway, customer.url)
            gateway.start("--external-simulator")
            wait_until(lambda: not _missing(acknowledged, customer), timeout=90)
            _check(gateway, acknowledged, carrier, customer)
        finally:
            gateway.stop()


def _send_and_kill(gateway, url):
    """Send until MESSAGES are acknowledged; kill -9 when half of them are, start again, go on."""
    acknowledged, numbers, lock = {}, itertools.count(), threading.Lock()

    def send(_):
        number = f"97150{next(numbers):07d}"
        body = {"to": number, "content": f"marker {number}", "dlr_url": url}
        status, answer = gateway.post("/api/v1/messages", body)
        while status in (429, 503):  # busy: nothing was accepted, and a customer asks again
            status, answer = gateway.post("/api/v1/messages", body)
        if status == 200:
            with lock:
                acknowledged[answer["message_id"]] = number

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(MESSAGES // 2)))
        rest = [pool.submit(send, i) for i in range(MESSAGES // 2)]
        wait_until(lambda: len(acknowledged) > MESSAGES * 0.6 or all(one.done() for one in rest), timeout=120)
        gateway.kill()
        for future in rest:
            future.result()
    return acknowledged


def _missing(acknowledged, customer):
    told = {post["message_id"] for post in list(customer.posts)}
    return [message_id for message_id in acknowledged if message_id not in told]


def _check(gateway, acknowledged, carrier, customer):
    copies = Counter(message.destination for message in carrier.messages)
    lost = [number for number in acknowledged.values() if not copies[number]]
    assert lost == []
    flagged = _flagged(gateway)
    doubled = {number for number, count in copies.items() if count > 1}
    assert doubled <= flagged, "a message went out twice without being in doubt"
    assert len(flagged) <= WINDOW + 500
    statuses = {post["message_id"]: post["status"] for post in customer.posts}
    assert {statuses[message_id] for message_id in acknowledged} == {"DELIVRD"}
    audit = gateway.manage("audit_ledger")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def _flagged(gateway):
    with sqlite3.connect(gateway.place / "gateway.sqlite3") as database:
        rows = database.execute(
            "SELECT m.recipient FROM messaging_part p JOIN messaging_message m ON m.id = p.message_id"
            " WHERE p.possible_duplicate"
        )
        return {row[0] for row in rows}
