"""Guessers are slowed by all processes together, and by each alone while Redis is away."""

import threading
import uuid

import pytest
from django.conf import settings

from accounts import gate
from accounts.guessing import GuessDelay, SharedGuessDelay
from tests.accounts.conftest import Clock

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def prefix() -> str:
    if not settings.CACHE_URL.startswith("redis"):
        pytest.fail("this suite has a Redis")
    return f"test{uuid.uuid4().hex}."


def test_failures_at_one_process_delay_at_every_other(prefix: str) -> None:
    here, there = (SharedGuessDelay(settings.CACHE_URL, prefix=prefix) for _ in range(2))
    for delay in (here, there, here, there, here):
        assert there.wait("a") == here.wait("a") == 0
        delay.failed("a", "b")
    assert 0.9 < here.wait("a") <= 1
    assert 0.9 < there.wait("x", "a") <= 1
    for _ in range(9):
        here.failed("a")
    assert 29 < there.wait("a") <= 30
    there.forgive("a")
    assert here.wait("a") == 0
    assert here.wait("b") > 0


def test_failures_at_the_same_time_are_all_counted(prefix: str) -> None:
    delays = [SharedGuessDelay(settings.CACHE_URL, prefix=prefix) for _ in range(8)]
    threads = [threading.Thread(target=delay.failed, args=("a",)) for delay in delays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 7 < delays[0].wait("a") <= 8  # 2 ** (8 - 5)


def test_with_redis_down_each_process_counts_for_itself_and_asks_again_later(clock: Clock) -> None:
    known = GuessDelay(clock=clock)
    delay = SharedGuessDelay(NOWHERE, local=known, clock=clock)
    for _ in range(5):
        assert delay.wait("a") == 0
        delay.failed("a")
    assert delay.wait("a") == 1
    delay.forgive("a")
    assert delay.wait("a") == 0


def test_what_was_seen_here_still_holds_when_redis_goes_away(prefix: str, clock: Clock) -> None:
    known = GuessDelay(clock=clock)
    while_up = SharedGuessDelay(settings.CACHE_URL, prefix=prefix, local=known, clock=clock)
    for _ in range(6):
        while_up.failed("a")
    assert SharedGuessDelay(NOWHERE, prefix=prefix, local=known, clock=clock).wait("a") == 2


def test_names_of_strangers_are_not_kept_in_redis(prefix: str) -> None:
    delay = SharedGuessDelay(settings.CACHE_URL, prefix=prefix)
    delay.failed("http:someone\ud800")
    [name] = delay._redis.scan_iter(f"{prefix}*")
    assert b"someone" not in name
    assert 800 < delay._redis.ttl(name) <= 900


def test_the_gates_of_the_fleet_share_and_the_embedded_one_does_not(settings) -> None:
    assert isinstance(gate.guesses(), SharedGuessDelay)
    gate.guesses.cache_clear()
    settings.CACHE_URL = ""
    assert isinstance(gate.guesses(), GuessDelay)
