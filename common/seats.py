"""Seats that are counted across processes: one sorted set in Redis, or this process alone where there is no Redis.

A seat is held under a lease: the seats of a process that died are free again when it has ended.
"""

import threading
import time
from collections.abc import Iterable
from typing import Final, Protocol

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

LEASE: Final = 20.0  # seconds; renew about every five
BREAK: Final = 2.0  # seconds without asking a Redis that failed
_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local limit, lease = tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('ZCARD', KEYS[1]) >= limit and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
redis.call('PEXPIRE', KEYS[1], lease * 2)
return 1
"""
_RENEW: Final = """
local t = redis.call('TIME')
local until_ms = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], until_ms, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1]) * 2)
"""


class Room(Protocol):
    """Where seats are counted."""

    def take(self, key: str, holder: str, limit: int) -> bool: ...
    def renew(self, key: str, holders: Iterable[str]) -> None: ...
    def release(self, key: str, holder: str) -> None: ...


class RedisRoom:
    """Seats in Redis, leased by its clock; `prefix` keeps gateways apart that share one Redis."""

    def __init__(self, url: str, prefix: str = "") -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._take = self._redis.register_script(_TAKE)
        self._renew = self._redis.register_script(_RENEW)
        self._prefix = f"{prefix}seats:"

    def take(self, key: str, holder: str, limit: int) -> bool:
        """Take a seat unless `limit` are held; who holds one has it already."""
        return bool(self._take(keys=[self._prefix + key], args=[holder, limit, int(LEASE * 1000)]))

    def renew(self, key: str, holders: Iterable[str]) -> None:
        """Extend seats; one that Redis forgot is there again."""
        self._renew(keys=[self._prefix + key], args=[int(LEASE * 1000), *holders])

    def release(self, key: str, holder: str) -> None:
        """Give a seat back."""
        self._redis.zrem(self._prefix + key, holder)


class Seats:
    """At most so many holders of a key at once. With Redis down each process allows its share, at least one.

    May wait for Redis half a second: not for event loops. Safe to call from several threads.
    """

    def __init__(self, shared: Room | None, *, processes: int = 1) -> None:
        self._shared, self._processes = shared, max(1, processes)
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._mine: dict[str, set[str]] = {}
        self._broken_until = 0.0

    def take(self, key: str, holder: str, limit: int) -> bool:
        """Whether `holder` has a seat now; `limit` 0: everybody."""
        with self._turn:  # two who count at once would both sit down
            if limit and not self._fits(key, holder, limit):
                return False
            with self._lock:
                self._mine.setdefault(key, set()).add(holder)
            return True

    def release(self, key: str, holder: str) -> None:
        """Give a seat back."""
        with self._lock:
            held = self._mine.get(key, set())
            held.discard(holder)
            if not held:
                self._mine.pop(key, None)
        shared = self._usable()
        if shared is not None:
            try:
                shared.release(key, holder)
            except Exception as error:  # its lease ends it
                self._break(error)

    def renew(self) -> None:
        """Extend every seat of this process; call it about every five seconds."""
        shared = self._usable()
        if shared is None:
            return
        with self._lock:
            held = {key: list(holders) for key, holders in self._mine.items()}
        try:
            for key, holders in held.items():
                shared.renew(key, holders)
                for holder in self._left(key, holders):
                    shared.release(key, holder)
        except Exception as error:
            self._break(error)

    def _left(self, key: str, holders: Iterable[str]) -> set[str]:
        """Who gave his seat back while it was renewed: it would be taken for a lease by nobody. Nobody comes back."""
        with self._lock:
            return set(holders) - self._mine.get(key, set())

    def _fits(self, key: str, holder: str, limit: int) -> bool:
        shared = self._usable()
        if shared is not None:
            try:
                return shared.take(key, holder, limit)
            except Exception as error:
                self._break(error)
        if self._shared is not None:
            limit = max(1, limit // self._processes)
        with self._lock:
            held = self._mine.get(key, set())
            return holder in held or len(held) < limit

    def _usable(self) -> Room | None:
        return self._shared if time.monotonic() >= self._broken_until else None

    def _break(self, error: Exception) -> None:
        log.warning("seats_fall_back", error=str(error))
        self._broken_until = time.monotonic() + BREAK


def seats() -> Seats:
    """The seats of a process, by its settings."""
    url = settings.CACHE_URL
    shared = RedisRoom(url, settings.GATEWAY_QUEUE_PREFIX) if url.startswith("redis") else None
    return Seats(shared, processes=settings.PACER_PROCESSES)
