"""A bell that every process hears: "look now, there is something for these". By Redis, or within this process alone.

A ring that gets lost costs a delay, never a message: whoever listens looks from time to time by itself.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

BREAK: Final = 2.0  # seconds without asking a Redis that failed
PATIENCE: Final = 0.5  # seconds that a ring may take
QUIET: Final = 5.0  # seconds without a ring, after which Redis is asked whether it is there, and has so long to answer
Heard = Callable[[list[int]], object]


class Bell(Protocol):
    """What rings and who hears it."""

    def ring(self, numbers: Collection[int]) -> None:
        """Call it after the commit; may wait PATIENCE seconds, raises nothing."""

    async def hear(self, heard: Heard) -> None:
        """Call `heard` on this loop with the numbers of each ring, until it is cancelled."""


class LocalBell:
    """Within one process: the embedded run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ears: dict[object, tuple[asyncio.AbstractEventLoop, Heard]] = {}

    def ring(self, numbers: Collection[int]) -> None:
        """Tell every loop that listens."""
        with self._lock:
            ears = list(self._ears.values())
        for loop, heard in ears:
            try:
                loop.call_soon_threadsafe(heard, list(numbers))
            except RuntimeError:  # closed while we were at it
                continue

    async def hear(self, heard: Heard) -> None:
        """Until it is cancelled."""
        mine = object()
        with self._lock:
            self._ears[mine] = (asyncio.get_running_loop(), heard)
        try:
            await asyncio.Event().wait()
        finally:
            with self._lock:
                del self._ears[mine]


class RedisBell:
    """A channel of Redis; channels know no databases, so the name holds the database and our prefix."""

    def __init__(self, url: str, name: str) -> None:
        import redis

        self._url = url
        self._redis = redis.Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        self._channel = f"{settings.GATEWAY_QUEUE_PREFIX}bell:{name}{urlsplit(url).path}"
        self._broken_until = 0.0

    def ring(self, numbers: Collection[int]) -> None:
        """Publish; a Redis that failed is left alone for a while."""
        if time.monotonic() < self._broken_until:
            return
        try:
            self._redis.publish(self._channel, json.dumps(list(numbers)))
        except Exception as error:  # whatever it is, the listeners look by themselves
            log.info("bell_is_silent", error=str(error))
            self._broken_until = time.monotonic() + BREAK

    async def hear(self, heard: Heard) -> None:
        """Until it is cancelled; while Redis is away, nothing is heard."""
        while True:
            try:
                await self._listen(heard)
            except Exception as error:  # whatever it is, come again
                log.info("bell_not_heard", error=str(error))
            _heed_cancel()
            await asyncio.sleep(BREAK)

    async def _listen(self, heard: Heard) -> None:
        from redis import asyncio as redis

        async with (
            redis.Redis.from_url(self._url, socket_connect_timeout=PATIENCE, socket_keepalive=True) as store,
            store.pubsub() as subscription,
        ):
            await subscription.subscribe(self._channel)
            asked = False
            while True:
                message = await _within_quiet(subscription)
                if message is None and asked:
                    raise ConnectionError("Redis does not answer")
                asked = message is None
                if message is None:
                    await subscription.ping()
                elif message["type"] == "message":
                    heard(json.loads(message["data"]))


def _heed_cancel() -> None:
    """Whoever cancels us waits for our end: a library that took the cancel for the end of a wait must not hide it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _within_quiet(subscription: Any) -> dict[str, Any] | None:
    """The next thing that Redis says, None after QUIET seconds; raises ConnectionError for a connection that has ended.

    The library takes the kernel's ETIMEDOUT for the end of the wait that it was asked for: None at once, at every
    call, without giving way to anybody. `listen()` then goes round for ever and the loop of the process stands still.
    """
    began = time.monotonic()
    found: dict[str, Any] | None = await subscription.get_message(timeout=QUIET)
    _heed_cancel()
    if found is None and time.monotonic() - began < QUIET / 2:
        raise ConnectionError("the connection to Redis has ended")
    return found


@cache
def bell(name: str) -> Bell:
    """The bell of this name in this process."""
    url = settings.CACHE_URL
    return RedisBell(url, name) if url.startswith("redis") else LocalBell()
