"""How long a bind waits before the next try: longer with each failure, never long for a carrier that works."""

from types import SimpleNamespace

import pytest

from tests.support.waiting import wait_until
from tests.workers.bind_cast import scene
from workers.binds import link
from workers.binds.link import LADDER, LOST_MAX, Backoff

VIEW = SimpleNamespace(reconnect_max=300, inactivity_timeout=60)


@pytest.fixture
def longest(monkeypatch):
    """Without jitter: always the longest wait."""
    monkeypatch.setattr(link.random, "uniform", lambda _, most: most)


def test_failures_climb_the_ladder_up_to_the_connectors_own_limit(longest):
    backoff, short = Backoff(), SimpleNamespace(reconnect_max=15, inactivity_timeout=60)
    assert [backoff.failed(OSError(), VIEW) for _ in range(len(LADDER) + 2)] == [*LADDER, 300, 300]
    assert backoff.failed(OSError(), short) == 15


def test_a_carrier_that_works_and_drops_us_never_waits_long(longest):
    backoff = Backoff()
    assert [backoff.lost(VIEW, worked=True) for _ in range(20)] == [1, 2, *[LOST_MAX] * 18]
    assert backoff.failed(OSError(), VIEW) == LADDER[0]  # it was there a moment ago


def test_a_carrier_that_binds_and_drops_us_unworked_is_a_failure(longest):
    backoff = Backoff()
    assert [backoff.lost(VIEW, worked=False) for _ in range(6)] == list(LADDER[:6])


@pytest.mark.django_db(transaction=True)
def test_a_message_goes_out_soon_however_often_the_carrier_has_dropped_us(longest, monkeypatch):
    monkeypatch.setattr(link, "LOST_MAX", 0.2)
    with scene() as found:
        for n in range(6):  # the ladder alone would have us wait 78 seconds
            found.until_status(found.send(content=f"text {n}"), "DELIVERED")
            found.smsc.disconnect("fin")
        wait_until(lambda: found.smsc.counters["binds"] == 7)
