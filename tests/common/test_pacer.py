"""Rates: the same answers from Redis and from memory, and no outage when Redis is away."""

import threading

import pytest
from django.conf import settings

from common.pacer import LocalClockwork, Pacer, RedisClockwork
from tests.support.cast import unique


def in_redis(prefix=settings.GATEWAY_QUEUE_PREFIX):
    return RedisClockwork(settings.CACHE_URL, prefix)


@pytest.fixture(params=["memory", "redis"])
def pacer(request):
    return Pacer(None) if request.param == "memory" else Pacer(in_redis())


def test_no_rate_is_no_limit(pacer):
    assert pacer.take(unique("k"), 0, 1_000_000).granted == 1_000_000
    assert pacer.reserve(unique("k"), 0, 3, horizon=0) == [0.0, 0.0, 0.0]


def test_a_burst_passes_and_the_rest_waits_its_turn(pacer):
    delays = pacer.reserve(unique("k"), 10, 15, horizon=600)
    assert len(delays) == 15
    assert delays[:10] == [0.0] * 10
    assert delays[14] == pytest.approx(0.4, abs=0.15)


def test_what_lies_beyond_the_horizon_is_left_out_and_takes_nothing(pacer):
    key = unique("k")
    assert len(pacer.reserve(key, 1, 100, horizon=5)) in (6, 7)
    assert pacer.reserve(key, 1, 1, horizon=4) == []


def test_take_gives_what_is_there_and_says_when_to_come_back(pacer):
    key = unique("k")
    first = pacer.take(key, 5, 100)
    assert first.granted in (5, 6)
    again = pacer.take(key, 5, 1)
    assert again.granted == 0
    assert 0 < again.retry_after <= 0.21


def test_concurrent_takers_never_get_more_than_the_rate():
    key, taken = unique("k"), []
    pacer = Pacer(in_redis())
    threads = [threading.Thread(target=lambda: taken.append(pacer.take(key, 100, 50).granted)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= sum(taken) <= 130  # a burst of one second, and what a few milliseconds add


def test_gateways_that_share_one_redis_do_not_count_for_each_other():
    key, prefix = unique("k"), settings.GATEWAY_QUEUE_PREFIX
    one, other = Pacer(in_redis(f"{prefix}one.")), Pacer(in_redis(f"{prefix}other."))
    assert one.count_day(key, "2026-11-21", 3) == 3
    assert other.count_day(key, "2026-11-21", 1) == 1
    assert one.take(key, 5, 100).granted in (5, 6)
    assert other.take(key, 5, 100).granted in (5, 6)


def test_daily_counts_add_up(pacer):
    key = unique("k")
    assert pacer.count_day(key, "2026-11-21", 3) == 3
    assert pacer.count_day(key, "2026-11-21", 4) == 7
    assert pacer.count_day(key, "2026-11-22", 1) == 1


class Broken:
    def advance(self, *_):
        raise ConnectionError("redis is away")

    def add(self, *_):
        raise ConnectionError("redis is away")


def test_without_redis_each_process_keeps_to_its_share():
    pacer = Pacer(Broken(), processes=2)
    assert pacer.take("k", 10, 100).granted in (5, 6)
    assert pacer.count_day("k", "2026-11-21", 2) == 2


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("common.pacer.LOCAL_KEYS", 10)
    clockwork = LocalClockwork()
    for i in range(100):
        clockwork.advance(f"k{i}", 1.0, 1, 1.0, 0.0)
    assert len(clockwork._tat) == 10
