"""Guessing passwords gets slower with every failure; nobody is locked out by the failures of others."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from common.clock import Monotonic, monotonic


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class GuessDelay:
    """After `free` failures under a key the next try waits 1, 2, 4 … `longest` seconds (reliability S4).

    Keys are texts such as an address or a user name. Failures are forgotten after `forget` seconds of quiet; at most
    `capacity` keys are remembered, the quietest goes first. In memory, one per process.
    """

    def __init__(
        self,
        *,
        free: int = 5,
        longest: float = 30.0,
        forget: float = 900.0,
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
