"""How fast a connector is fed: its TPS, and what its throttling answers teach (AIMD)."""

import time
from collections import Counter
from collections.abc import Callable

from common.pacer import Pacer

MEASURE = 10  # seconds over which the rate is measured
AHEAD = 0.05  # seconds of its measured rate that a bind may hold claimed beyond the free window slots
DECREASE, INCREASE = 0.7, 0.05  # AIMD: cut to 70 %, then 5 % of the throttled rate a second
FORGET = 4.0  # a learned ceiling is dropped once it is so many times the rate that was throttled


class Meter:
    """Events a second, over the last ten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: Counter[int] = Counter()
        self._began = clock()

    def add(self, count: int = 1) -> None:
        """Count events now."""
        second = int(self._clock())
        if second not in self._seconds:
            for old in [s for s in self._seconds if s < second - MEASURE]:
                del self._seconds[old]
        self._seconds[second] += count

    @property
    def rate(self) -> float:
        """Events a second."""
        now = self._clock()
        recent = sum(n for second, n in self._seconds.items() if second >= now - MEASURE)
        return recent / min(MEASURE, max(1.0, now - self._began))

    @property
    def ahead(self) -> int:
        """How many parts may be held beyond the free window slots."""
        return int(self.rate * AHEAD)


class Pace:
    """Tokens for submit_sm of one connector, shared by its binds in this process."""

    def __init__(self, key: str, tps: float, pacer: Pacer, clock: Callable[[], float] = time.monotonic) -> None:
        self._key, self.tps, self._pacer, self._clock = key, tps, pacer, clock
        self.meter = Meter(clock)
        self.ceiling: float | None = None
        self._throttled_rate = 0.0
        self._adapted = clock()
        self._bank = 0.0  # of the learned ceiling
        self._banked = clock()
        self.tokens = 0  # of the TPS, taken from the pacer and not used yet
        self.retry_at = 0.0
        self.kept = 0  # tokens that only otp may use
        self._saver: object | None = None  # who gathers tokens for a message of several parts, and how many
        self._saving = 0

    @property
    def limited(self) -> bool:
        """Whether anything but the window holds us back."""
        return bool(self.tps) or self.ceiling is not None

    @property
    def at_once(self) -> int:
        """Tokens of a message that are gathered before its first part goes: all, but no more than a second's worth."""
        limits = [limit for limit in (self.tps, self.ceiling) if limit]
        return max(1, int(min(limits))) if limits else 1_000_000

    def save(self, who: object, count: int) -> None:
        """`who` waits for so many tokens together; the others leave him so many. One at a time."""
        if self._saver is None or self._saver is who:
            self._saver, self._saving = who, count

    def release(self, who: object) -> None:
        """`who` waits for them no more."""
        if self._saver is who:
            self._saver, self._saving = None, 0

    def for_(self, who: object, *, otp: bool) -> int:
        """Submissions that `who` may write now."""
        kept = 0 if otp or not self.limited else self.kept
        return self.allowed - kept - (self._saving if self._saver not in (None, who) else 0)

    @property
    def _held(self) -> int:
        """Tokens that lie there on purpose."""
        return self.kept + self._saving

    def wants(self, wanted: int) -> bool:
        """Whether `wanted` submissions need TPS tokens that may be there by now."""
        return bool(self.tps) and self.tokens < wanted + self._held and self._clock() >= self.retry_at

    def refill(self, wanted: int) -> None:
        """Take TPS tokens for `wanted` submissions; blocks for one Redis round trip, so call it in a thread."""
        if self.wants(wanted):
            # At most 50 ms worth is banked beyond what is held: what is not used is lost to the other processes.
            share = max(1, int(self.tps * AHEAD)) + self._held
            burst = max(AHEAD, (1 + self._held) / self.tps)
            missing = wanted + self._held - self.tokens
            grant = self._pacer.take(self._key, self.tps, min(missing, share), burst=burst)
            self.tokens += grant.granted
            self.retry_at = self._clock() + (0 if grant.granted else grant.retry_after)

    @property
    def allowed(self) -> int:
        """Submissions that may be written now."""
        limit = self.tokens if self.tps else 1_000_000
        if self.ceiling is None:
            return limit
        self._earn(self.ceiling)
        return min(limit, int(self._bank))

    @property
    def wait(self) -> float:
        """Seconds until the next submission may be allowed."""
        wait = max(0.0, self.retry_at - self._clock()) if self.tps and self.tokens <= self._held else 0.0
        if self.ceiling is not None and self._bank < 1 + self._held:
            wait = max(wait, (1 + self._held - self._bank) / self.ceiling)
        return wait

    def used(self, count: int = 1) -> None:
        """Submissions were written."""
        self.meter.add(count)
        if self.tps:
            self.tokens -= count
        if self.ceiling is not None:
            self._bank -= count

    def throttled(self) -> None:
        """The carrier answered RTHROTTLED: multiplicative decrease, at most once a second."""
        now = self._clock()
        if self.ceiling is not None and now - self._adapted < 1.0:
            return
        self._throttled_rate = self.ceiling or max(1.0, self.meter.rate)
        self.ceiling = max(1.0, self._throttled_rate * DECREASE)
        self._adapted, self._bank = now, min(self._bank, 1.0)

    def adapt(self) -> None:
        """Additive increase; call it about once a second."""
        if self.ceiling is None:
            return
        now = self._clock()
        self.ceiling += max(1.0, self._throttled_rate * INCREASE) * (now - self._adapted)
        self._adapted = now
        if self.ceiling > self._throttled_rate * FORGET:
            self.ceiling = None

    def _earn(self, ceiling: float) -> None:
        now = self._clock()
        most = max(1.0, ceiling * AHEAD) + self._held
        # What was gathered for a message is not cut when its first part goes and nothing is held for it any more.
        self._bank = max(self._bank, min(self._bank + (now - self._banked) * ceiling, most))
        self._banked = now
