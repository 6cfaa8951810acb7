"""A ring is heard by whoever listens, in this process and in others; without Redis nobody waits for it."""

import asyncio
import contextlib
import time

import pytest

from common.bell import LocalBell, RedisBell
from tests.support.embedded import free_port


def redis_bell(settings) -> RedisBell:
    return RedisBell(settings.CACHE_URL, "test")


def local_bells(settings) -> tuple[LocalBell, LocalBell]:
    bell = LocalBell()
    return bell, bell


def redis_bells(settings) -> tuple[RedisBell, RedisBell]:
    """Two, as two processes have them."""
    return redis_bell(settings), redis_bell(settings)


@contextlib.asynccontextmanager
async def listening(bell):
    heard: list[int] = []
    task = asyncio.create_task(bell.hear(heard.extend))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("bells", [local_bells, redis_bells])
async def test_a_ring_in_one_place_is_heard_in_the_other(bells, settings):
    ringer, listener = bells(settings)
    async with listening(listener) as heard, asyncio.timeout(5):
        while not heard:
            await asyncio.to_thread(ringer.ring, {7})
            await asyncio.sleep(0.01)
    assert set(heard) == {7}


def test_a_redis_that_is_away_costs_one_try_and_raises_nothing():
    bell = RedisBell(f"redis://127.0.0.1:{free_port()}/0", "test")
    bell.ring({1})
    began = time.monotonic()
    for _ in range(1_000):
        bell.ring({1})
    assert time.monotonic() - began < 0.5


def test_gateways_that_share_a_redis_hear_only_their_own(settings):
    here = redis_bell(settings)
    settings.GATEWAY_QUEUE_PREFIX = "another."
    assert here._channel != redis_bell(settings)._channel
