"""Guessing passwords gets slower with every failure; nobody is locked out by the failures of others."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from common.clock import Monotonic, monotonic

log = structlog.get_logger(__name__)

FREE: Final = 5  # failures that cost nothing
LONGEST: Final = 30.0  # seconds
FORGET: Final = 900.0  # seconds of quiet
REDIS_PATIENCE: Final = 0.2  # seconds for one answer of Redis
BREAK: Final = 2.0  # seconds without asking a Redis that failed


class Delay(Protocol):
    """What slows guessers down; every method may be called from any thread, but by event loops not when it `asks`."""

    asks: bool

    def wait(self, *keys: str) -> float: ...
    def failed(self, *keys: str) -> None: ...
    def forgive(self, *keys: str) -> None: ...


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class GuessDelay:
    """After `free` failures under a key the next try waits 1, 2, 4 … `longest` seconds (reliability S4).

    Keys are texts such as an address or a user name. Failures are forgotten after `forget` seconds of quiet; at most
    `capacity` keys are remembered, the quietest goes first. In memory, one per process.
    """

    asks = False

    def __init__(
        self,
        *,
        free: int = FREE,
        longest: float = LONGEST,
        forget: float = FORGET,
        capacity: int = 10_000,
        clock: Monotonic = monotonic,
    ) -> None:
        self._free, self._longest, self._forget = free, longest, forget
        self._capacity, self._clock = capacity, clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """Seconds until the next try is allowed under all keys; 0.0: now."""
        now = self._clock()
        with self._lock:
            return max((self._wait(self._failures.get(key), now) for key in keys), default=0.0)

    def failed(self, *keys: str) -> None:
        """Count one failure under each key."""
        now = self._clock()
        with self._lock:
            for key in keys:
                self._count(key, now)

    def forgive(self, *keys: str) -> None:
        """Forget the failures under the keys."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._failures)

    def _wait(self, failures: _Failures | None, now: float) -> float:
        if failures is None or failures.count < self._free or now - failures.last > self._forget:
            return 0.0
        # The exponent is bounded so that a long attack does not make a huge float.
        delay = min(2.0 ** min(failures.count - self._free, 16), self._longest)
        left = failures.last + delay - now
        return left if left > 0.001 else 0.0  # who waited as told is not sent away for a rounding error

    def _count(self, key: str, now: float) -> None:
        known = self._failures.pop(key, None)
        if known is None or now - known.last > self._forget:
            known = _Failures(0, now)
        self._failures[key] = _Failures(known.count + 1, now)
        while len(self._failures) > self._capacity:
            self._failures.popitem(last=False)


# One key is a hash of count and last (microseconds, by the clock of Redis), gone after FORGET of quiet.
_NOW = "local t = redis.call('TIME')\nlocal now = t[1] * 1000000 + t[2]\n"
_WAIT = (
    _NOW
    + """
local free, longest, most = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for _, key in ipairs(KEYS) do
  local found = redis.call('HMGET', key, 'count', 'last')
  local count = tonumber(found[1] or '0')
  if count >= free then
    local delay = math.min(2 ^ math.min(count - free, 16), longest) * 1000000
    most = math.max(most, tonumber(found[2]) + delay - now)
  end
end
return string.format('%.0f', most)
"""
)
_FAILED = (
    _NOW
    + """
for _, key in ipairs(KEYS) do
  redis.call('HINCRBY', key, 'count', 1)
  redis.call('HSET', key, 'last', string.format('%.0f', now))
  redis.call('PEXPIRE', key, ARGV[1])
end
"""
)


class SharedGuessDelay:
    """The same by all processes together, in Redis; while Redis is down each process goes by what it has seen itself.

    Each call is one script, so that failures at the same time are all counted. It asks Redis: not for event loops.
    """

    asks = True

    def __init__(self, url: str, *, prefix: str = "", local: GuessDelay | None = None, clock: Monotonic = monotonic):
        import redis

        self._redis = redis.Redis.from_url(url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE)
        self._ask, self._count = self._redis.register_script(_WAIT), self._redis.register_script(_FAILED)
        self._prefix, self._clock = f"{prefix}guess:", clock
        self._local = GuessDelay(clock=clock) if local is None else local
        self._broken_until = float("-inf")

    def wait(self, *keys: str) -> float:
        """See GuessDelay."""
        found = self._try(lambda: self._ask(keys=self._named(keys), args=[FREE, LONGEST])) if keys else b"0"
        if found is None:
            return self._local.wait(*keys)
        left = int(found) / 1_000_000
        return left if left > 0.001 else 0.0

    def failed(self, *keys: str) -> None:
        """See GuessDelay."""
        self._local.failed(*keys)  # what is known when Redis goes away
        if keys:
            self._try(lambda: self._count(keys=self._named(keys), args=[int(FORGET * 1000)]))

    def forgive(self, *keys: str) -> None:
        """See GuessDelay."""
        self._local.forgive(*keys)
        if keys:
            self._try(lambda: self._redis.delete(*self._named(keys)))

    def _named(self, keys: Sequence[str]) -> list[str]:
        """Names of strangers do not get into Redis, whatever they are made of."""
        return [
            self._prefix + hashlib.blake2b(key.encode(errors="replace"), digest_size=16).hexdigest() for key in keys
        ]

    def _try(self, call: Any) -> Any:
        """What Redis says; None while it is down."""
        if self._clock() < self._broken_until:
            return None
        try:
            return call()
        except Exception as error:  # whatever is wrong with it, people log in
            log.warning("guess_delay_falls_back", error=str(error))
            self._broken_until = self._clock() + BREAK
            return None
