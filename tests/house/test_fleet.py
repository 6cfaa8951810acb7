"""`make up`: the processes of the Procfile start, carry a message to its webhook, and end in peace."""

import re
import signal
import subprocess
import sys

import pytest

from tests.support.embedded import ROOT
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
    assert ended == "web 0, worker 0, deliveries 0, beat 0, binds 0"
    assert status == 0
    # Nobody named a trusted proxy: whoever asks is who is connected.
    assert "203.0.113.9" not in said


RUNNER = """
import sys
from gateway_project import fleet
fleet.STOP_SECONDS = 1.0
sys.exit(fleet.run(dict(line.split("=", 1) for line in sys.argv[1:]), {"PATH": "/usr/bin:/bin"}))
"""
WAITS = "exec sleep 60"


def runner(**commands):
    arguments = [f"{name}={command}" for name, command in commands.items()]
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def test_one_process_that_ends_by_itself_takes_the_others_along_and_the_status_says_so():
    process = runner(quiet=WAITS, short="echo going; exit 0")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "short | going\n" in said
    assert "short ended by itself (status 0): stopping the others\nended: quiet -15, short 0\n" in said


def test_a_process_that_will_not_end_is_killed_with_its_children():
    stubborn = "trap '' TERM; echo up; sleep 60; sleep 60"
    process = runner(stubborn=stubborn, quiet=WAITS)
    line = process.stdout.readline()
    assert line == "stubborn | up\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert "stubborn did not end within 1 s: killed\nended: stubborn -9, quiet -15\n" in said
    assert process.returncode == 1
