"""Rates that hold across processes: one GCRA in Redis, or in this process where there is no Redis.

The virtual clock of a key (theoretical arrival time, TAT) advances by 1/rate with each token; an idle key
lags `burst` seconds behind now, so that many seconds' worth of tokens may go at once. A token's slot is the
TAT before it: at or before now means "now", later means "wait so long". Source: ITU-T I.371, GCRA.
"""

import math
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

_LUA = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, horizon = tonumber(ARGV[3]), tonumber(ARGV[4])
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local base = math.max(tat, now - burst)
local fits = math.floor((now + horizon - base) / interval) + 1
local granted = math.max(0, math.min(count, fits))
if granted > 0 then
  local new = base + granted * interval
  redis.call('SET', KEYS[1], string.format('%.0f', new), 'PX', math.ceil((new - now + burst) / 1000) + 1000)
end
return {string.format('%.0f', base - now), granted}
"""
MICRO = 1_000_000
BREAK = 2.0  # seconds without asking a Redis that failed
LOCAL_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Grant:
    """How many tokens may be used now, and after how many seconds the next one is there."""

    granted: int
    retry_after: float


class Clockwork(Protocol):
    """Where the virtual clocks live."""

    def advance(self, key: str, interval: float, count: int, burst: float, horizon: float) -> tuple[float, int]: ...
    def add(self, key: str, amount: int, ttl: int) -> int: ...


class LocalClockwork:
    """Virtual clocks of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tat: dict[str, float] = {}
        self._sums: dict[str, int] = {}

    def advance(self, key: str, interval: float, count: int, burst: float, horizon: float) -> tuple[float, int]:
        """Times in microseconds: lag of the first slot behind now, and how many tokens fit."""
        with self._lock:
            now = time.monotonic() * MICRO
            base = max(self._tat.get(key, 0.0), now - burst)
            granted = max(0, min(count, math.floor((now + horizon - base) / interval) + 1))
            if granted:
                self._trim(self._tat)
                self._tat[key] = base + granted * interval
            return base - now, granted

    def add(self, key: str, amount: int, ttl: int) -> int:
        """Add to a counter; returns the sum."""
        with self._lock:
            self._trim(self._sums)
            self._sums[key] = self._sums.get(key, 0) + amount
            return self._sums[key]

    @staticmethod
    def _trim(table: dict[str, Any]) -> None:
        if len(table) >= LOCAL_KEYS:  # oldest first: dicts keep the order of insertion
            del table[next(iter(table))]


class RedisClockwork:
    """Virtual clocks in Redis, by its clock; `prefix` keeps gateways apart that share one Redis."""

    def __init__(self, url: str, prefix: str = "") -> None:
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._script = self._redis.register_script(_LUA)
        self._prefix = prefix

    def advance(self, key: str, interval: float, count: int, burst: float, horizon: float) -> tuple[float, int]:
        """See LocalClockwork."""
        lag, granted = self._script(keys=[f"{self._prefix}pace:{key}"], args=[interval, count, burst, horizon])
        return float(lag), int(granted)

    def add(self, key: str, amount: int, ttl: int) -> int:
        """See LocalClockwork."""
        name = f"{self._prefix}sum:{key}"
        with self._redis.pipeline() as pipe:
            pipe.incrby(name, amount)
            pipe.expire(name, ttl)
            total, _ = pipe.execute()
        return int(total)


class Pacer:
    """Rates and daily counts by key; with Redis down each process goes on with its share of the rate."""

    def __init__(self, shared: Clockwork | None, *, processes: int = 1) -> None:
        self._shared, self._local, self._processes = shared, LocalClockwork(), max(1, processes)
        self._broken_until = 0.0

    def reserve(self, key: str, rate: float, count: int, *, horizon: float, burst: float = 1.0) -> list[float]:
        """Seconds to wait for each of `count` tokens; those beyond `horizon` seconds are left out."""
        if rate <= 0:
            return [0.0] * count
        lag, granted, interval = self._advance(key, rate, count, burst, horizon)
        return [max(0.0, (lag + i * interval) / MICRO) for i in range(granted)]

    def take(self, key: str, rate: float, count: int, *, burst: float = 1.0) -> Grant:
        """Tokens that may be used at once."""
        if rate <= 0:
            return Grant(count, 0.0)
        lag, granted, interval = self._advance(key, rate, count, burst, 0.0)
        return Grant(granted, max(0.0, (lag + granted * interval) / MICRO))

    def count_day(self, key: str, day: str, amount: int) -> int:
        """Add to the count of `day` (ISO date); returns the sum so far."""
        name = f"{key}:{day}"
        if self._usable():
            try:
                assert self._shared is not None
                return self._shared.add(name, amount, 2 * 86_400)
            except Exception as error:
                self._break(error)
        return self._local.add(name, amount, 2 * 86_400)

    def _advance(self, key: str, rate: float, count: int, burst: float, horizon: float) -> tuple[float, int, float]:
        interval, reach = MICRO / rate, (burst * MICRO, horizon * MICRO)
        if self._usable():
            try:
                assert self._shared is not None
                return *self._shared.advance(key, interval, count, *reach), interval
            except Exception as error:
                self._break(error)
        if self._shared is not None:
            interval *= self._processes
        return *self._local.advance(key, interval, count, *reach), interval

    def _usable(self) -> bool:
        return self._shared is not None and time.monotonic() >= self._broken_until

    def _break(self, error: Exception) -> None:
        log.warning("pacer_falls_back", error=str(error))
        self._broken_until = time.monotonic() + BREAK


_pacer: Pacer | None = None
_lock = threading.Lock()


def pacer() -> Pacer:
    """The pacer of this process."""
    global _pacer
    with _lock:
        if _pacer is None:
            url = settings.CACHE_URL
            shared = RedisClockwork(url, settings.GATEWAY_QUEUE_PREFIX) if url.startswith("redis") else None
            _pacer = Pacer(shared, processes=settings.PACER_PROCESSES)
        return _pacer
