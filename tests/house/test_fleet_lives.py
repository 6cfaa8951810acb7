"""The real fleet: every process gives signs of life, comes back when killed, and is replaced without a refusal."""

import os
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.house.test_fleet_posts import lives
from tests.support.fleet import Fleet
from tests.support.running import WebhookReceiver
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMES = ("web", "worker", "deliveries", "beat", "binds", "smpp")
SERVICE, BINDS = 20, 30  # seconds; reliability P9 says 10 and 15, this machine may be shared


@pytest.fixture
def fleet(tmp_path):
    with Fleet(tmp_path) as fleet, SimulatorThread(SimulatorConfig(host="127.0.0.1", port=fleet.simulator_port)):
        fleet.start()
        yield fleet
        assert fleet.stop() == 0, fleet.log()


def pid(fleet, name, former=0):
    def present():
        try:
            return (found := int((fleet.place / "run" / f"{name}.pid").read_text())) != former and found
        except FileNotFoundError:
            return 0

    return wait_until(present, timeout=60, step=0.05)


def works(fleet, name, former=0):
    """The pid, once the process has given a sign of life."""
    now = pid(fleet, name, former)
    wait_until(lambda: (fleet.place / "run" / f"{name}.{now}.alive").exists(), timeout=60, step=0.05)
    return now


def family(parent):
    """Pids of its children."""
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def travels(fleet, customer, timeout):
    """Seconds until a message that is sent now has been told by webhook."""
    began = time.monotonic()
    sent = fleet.send({"to": "971501234567", "content": "Hello", "dlr_url": customer.url})
    wait_until(lambda: customer.of(sent), timeout=timeout)
    return time.monotonic() - began


def test_every_process_comes_back_after_a_kill_and_leaves_no_child_behind(fleet):
    first = {name: works(fleet, name) for name in NAMES}
    with WebhookReceiver() as customer:
        travels(fleet, customer, 60)
        for name, former in first.items():
            children = family(former)
            os.kill(former, signal.SIGKILL)
            wait_until(lambda: not lives(former) and not any(map(lives, children)), timeout=5)  # noqa: B023
            seconds = travels(fleet, customer, BINDS if name == "binds" else SERVICE)
            print(f"{name}: {len(children)} children, {seconds:.1f} s")
            assert works(fleet, name, former)
    assert bool(family(pid(fleet, "web"))) and bool(family(pid(fleet, "worker")))


def test_a_reload_replaces_every_process_and_refuses_no_request(fleet):
    first = {name: works(fleet, name) for name in NAMES}
    answers, ended = [], threading.Event()

    def ask_for_ever():
        while not ended.is_set():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{fleet.port}/healthz", timeout=20) as answer:
                    answers.append(answer.status)
            except OSError as error:
                answers.append(repr(error))
            time.sleep(0.005)

    asking = threading.Thread(target=ask_for_ever)
    asking.start()
    try:
        fleet.process.send_signal(signal.SIGHUP)
        for name, former in first.items():
            works(fleet, name, former)
            wait_until(lambda: not lives(former), timeout=60)  # noqa: B023
    finally:
        ended.set()
        asking.join()
    assert set(answers) == {200}, set(answers)
    with WebhookReceiver() as customer:
        travels(fleet, customer, 60)


def test_a_worker_that_is_stopped_gives_no_sign_and_is_not_ended_for_half_a_minute_of_it(fleet):
    worker = works(fleet, "worker")
    sign = fleet.place / "run" / f"worker.{worker}.alive"
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_until(lambda: time.time_ns() - sign.stat().st_mtime_ns > 30e9, timeout=60, step=0.5)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_until(lambda: time.time_ns() - sign.stat().st_mtime_ns < 5e9, timeout=40, step=0.1)
    assert pid(fleet, "worker") == worker
