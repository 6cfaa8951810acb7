"""The clock ticks every job in its period, late ones once; two clocks do every tick twice, which does no harm."""

import itertools
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from common.jobs import Job, publish, recorder
from common.queues import Work
from tests.support.waiting import wait_until
from workers.beat import TICKS, expiry
from workers.clock import Clock
from workers.clock import __file__ as clock_file

FAST, SLOW = Job("fast", Work.SCHEDULE), Job("slow", Work.HOUSEKEEPING)


def running(clock):
    thread = threading.Thread(target=clock.run)
    thread.start()
    return thread


def test_every_job_comes_in_its_period_and_the_end_is_heard_at_once():
    heard = Counter()
    clock = Clock({FAST: 0.02, SLOW: 0.1}, lambda job, _: heard.update([job.name]))
    thread = running(clock)
    wait_until(lambda: heard["slow"] >= 3)
    clock.stop()
    thread.join(1)
    assert not thread.is_alive()
    assert heard["fast"] >= 2 * heard["slow"]


def test_ticks_that_were_missed_are_not_made_up_for():
    heard = []

    def tick(job, _):
        heard.append(time.monotonic())
        if len(heard) == 1:
            time.sleep(0.3)  # the process was stopped, say

    clock = Clock({FAST: 0.05}, tick)
    thread = running(clock)
    wait_until(lambda: len(heard) >= 4)
    clock.stop()
    thread.join(1)
    assert min(later - former for former, later in itertools.pairwise(heard[1:])) > 0.02


def test_a_clock_that_ticks_gives_signs_of_life(tmp_path, monkeypatch):
    sign = tmp_path / "beat.1.alive"
    monkeypatch.setenv("GATEWAY_ALIVE_FILE", str(sign))
    clock = Clock({SLOW: 60.0}, lambda *_: None)
    thread = running(clock)
    wait_until(sign.exists)
    clock.stop()
    thread.join(1)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("line", range(1, 41))
def test_a_signal_may_come_at_any_line_of_the_clock(line, monkeypatch):
    """Also where its own waiting holds a lock."""
    monkeypatch.setattr("workers.clock.NAP", 0.001)
    clock, left = Clock({SLOW: 60.0}, lambda *_: None), itertools.count(-line)

    def trace(frame, event, _):
        if event == "line" and frame.f_code.co_filename in (clock_file, threading.__file__) and next(left) == 0:
            signal.raise_signal(signal.SIGTERM)
        return trace

    before = signal.signal(signal.SIGTERM, lambda *_: clock.stop())
    former = sys.gettrace()
    sys.settrace(trace)
    try:
        clock.run()
    finally:
        sys.settrace(former)
        signal.signal(signal.SIGTERM, before)


def test_a_tick_that_nobody_takes_ends_when_the_next_does_its_work():
    assert all(expiry(period) >= period and expiry(period) >= 5 for period in TICKS.values())
    with recorder() as jobs:
        publish(FAST, expires=5)
    assert jobs == [(FAST, {})]
