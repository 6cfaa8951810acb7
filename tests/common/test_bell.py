"""A ring is heard by whoever listens, in this process and in others; without Redis nobody waits for it."""

import asyncio
import contextlib
import errno
import time
from urllib.parse import urlsplit

import pytest

from bench.ports import free_port
from common import bell as bell_module
from common.bell import LocalBell, RedisBell


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


async def rings_until_heard(ringer, heard):
    async with asyncio.timeout(15):
        while not heard:
            await asyncio.to_thread(ringer.ring, {7})
            await asyncio.sleep(0.05)


@pytest.mark.timeout(60)
async def test_a_connection_that_the_kernel_gave_up_stops_nobody_and_is_made_anew(settings, monkeypatch):
    """After a cut the kernel ends the wait by ETIMEDOUT, which the library takes for a wait that is over."""
    monkeypatch.setattr(bell_module, "BREAK", 0.1)
    ringer, listener = redis_bells(settings)
    read, broken = asyncio.StreamReader.read, []

    async def given_up(reader, size=-1):
        if broken:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")
        return await read(reader, size)

    monkeypatch.setattr(asyncio.StreamReader, "read", given_up)
    async with listening(listener) as heard:
        await rings_until_heard(ringer, heard)
        broken.append(True)
        await asyncio.to_thread(ringer.ring, {8})  # the listener reads again, and the read fails from now on
        await asyncio.sleep(0.5)  # the loop lives: else this never ends
        broken.clear()
        heard.clear()
        await rings_until_heard(ringer, heard)


@pytest.mark.timeout(60)
async def test_a_redis_that_fell_silent_is_noticed_and_heard_again(settings, monkeypatch):
    monkeypatch.setattr(bell_module, "BREAK", 0.1)
    monkeypatch.setattr(bell_module, "QUIET", 0.3)
    there = urlsplit(settings.CACHE_URL)
    silent: list[bool] = []
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader, writer, mute):
        while octets := await reader.read(4096):
            if not mute():
                writer.write(octets)

    async def relay(reader, writer):
        inner = await asyncio.open_connection(there.hostname, there.port)
        writers.extend([writer, inner[1]])
        mute = (lambda: bool(silent)) if len(writers) == 2 else (lambda: False)  # the first connection only
        await asyncio.gather(pump(reader, inner[1], mute), pump(inner[0], writer, mute))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    listener = RedisBell(f"redis://127.0.0.1:{port}{there.path}", "test")
    async with server, listening(listener) as heard:
        await rings_until_heard(redis_bell(settings), heard)
        silent.append(True)
        heard.clear()
        await rings_until_heard(redis_bell(settings), heard)
        assert len(writers) == 4
        for writer in writers:
            writer.close()
