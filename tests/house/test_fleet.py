"""`make up`: the processes of the Procfile start, carry a message to its webhook, and end in peace."""

import re

import pytest

from tests.support.fleet import Fleet
from tests.support.running import WebhookReceiver
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

STOPS_WITHIN = 40  # seconds


@pytest.mark.slow
@pytest.mark.timeout(300)  # ten interpreters start one after the other or at once
def test_a_message_travels_through_the_fleet_and_sigterm_ends_every_process_in_peace(tmp_path):
    with (
        Fleet(tmp_path) as fleet,
        SimulatorThread(SimulatorConfig(host="127.0.0.1", port=fleet.simulator_port)),
        WebhookReceiver() as customer,
    ):
        fleet.start()
        message = {"to": "971501234567", "content": "Hello", "dlr_url": customer.url}
        sent = fleet.send(message, **{"X-Forwarded-For": "203.0.113.9"})
        wait_until(lambda: customer.of(sent), timeout=30)
        status = fleet.stop()
        said = fleet.log()
    assert [post["status"] for post in customer.of(sent)] == ["DELIVRD"]
    [ended] = re.findall(r"^ended: (.*)$", said, re.MULTILINE)
    assert ended == "web 0, worker 0, deliveries 0, beat 0, binds 0, smpp 0"
    assert status == 0
    # Nobody named a trusted proxy: whoever asks is who is connected.
    assert "203.0.113.9" not in said
