"""Identifiers that sort by time and name the process that drew them (architecture section 6).

UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, a 12-bit counter, then 11 bits of process number and 51
random bits. The first 71 meaningful bits also fit a 63-bit number (milliseconds since 2025-01-01: 40 bits,
counter 12, process 11), which gives the short decimal and hex message ids; a short id maps back to one
UUID range.

Numbers of processes below 1,024 are leased (common.process_number), so that no two processes draw the same short
number; while a process has no lease it draws by a random number from 1,024 on.
"""

import os
import secrets
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

EPOCH_2025_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LOW_BITS = 51
_LOW_MASK = (1 << _LOW_BITS) - 1
_COUNTER_MAX = 0xFFF
LEASABLE = 1024  # numbers of processes that are leased; those above are anybody's


class IdFactory:
    """Draws strictly increasing UUIDv7 values; safe to share between threads.

    `process` is the number by which it draws without a lease, and while one that it had is over.
    """

    def __init__(self, process: int) -> None:
        self._spare = process & 0x7FF
        self._last_ms = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a copy of this process must: without the lease, the lock and the random bits of the other."""
        self._lock = threading.Lock()
        self._counter = 0
        self._noise = b""
        self._leased, self._until = self._spare, float("-inf")

    def lend(self, process: int, until: float) -> None:
        """Draw by this number until the monotonic moment `until`."""
        with self._lock:
            self._leased, self._until = process, until

    @property
    def leased(self) -> bool:
        """Whether no other process draws by the same number now."""
        return time.monotonic() < self._until

    def draw(self, milliseconds: int | None = None) -> uuid.UUID:
        """One new id; `milliseconds` since 1970, default now."""
        with self._lock:
            now = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
            if now > self._last_ms:
                self._last_ms, self._counter = now, 0
            elif self._counter < _COUNTER_MAX:
                self._counter += 1
            else:  # 4,096 ids in one millisecond: borrow the next one, order is kept
                self._last_ms, self._counter = self._last_ms + 1, 0
            return self._compose(self._last_ms, self._counter, self._random())

    def _random(self) -> int:
        """51 random bits; one system call serves 512 ids."""
        if not self._noise:
            self._noise = os.urandom(7 * 512)
        head, self._noise = self._noise[:7], self._noise[7:]
        return int.from_bytes(head, "big") & _LOW_MASK

    def _compose(self, ms: int, counter: int, low: int) -> uuid.UUID:
        process = self._leased if time.monotonic() < self._until else self._spare
        value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | counter << 64
        return uuid.UUID(int=value | 0b10 << 62 | process << _LOW_BITS | low)


# One per process by nature: the counter must be shared by every thread that draws.
def _spare() -> int:
    return LEASABLE | secrets.randbits(10)


_factory = IdFactory(_spare())


def _after_fork() -> None:
    """A child would draw the very ids of its parent: same number, same random bits in store."""
    _factory._spare = _spare()
    _factory.forget()


os.register_at_fork(after_in_child=_after_fork)


def lend(process: int, until: float) -> None:
    """This process draws by a leased number until the monotonic moment `until`."""
    _factory.lend(process, until)


def leased() -> bool:
    """Whether short numbers drawn now are nobody else's."""
    return _factory.leased


def new_id() -> uuid.UUID:
    """A new UUIDv7, later than every one this process drew before."""
    return _factory.draw()


def derive(parent: uuid.UUID, number: int) -> uuid.UUID:
    """The id of child `number` (1 …) of `parent`: same millisecond, so the same partition, and always the same."""
    value = parent.int
    return uuid.UUID(int=value & ~_LOW_MASK | (value + number) & _LOW_MASK)


def milliseconds(value: uuid.UUID) -> int:
    """Unix milliseconds in a UUIDv7."""
    return value.int >> 80


def moment(value: uuid.UUID) -> datetime:
    """The time at which a UUIDv7 was drawn."""
    return datetime.fromtimestamp(milliseconds(value) / 1000, UTC)


def floor_at(when: datetime) -> uuid.UUID:
    """The lowest UUIDv7 of `when`: a time window becomes an id range, so that partitions are pruned."""
    return uuid.UUID(int=int(when.timestamp() * 1000) << 80)


def later(value: uuid.UUID, by: timedelta) -> uuid.UUID:
    """The id that is so much later, with the same last 80 bits; at most the highest there is."""
    return uuid.UUID(int=min(value.int + (by // timedelta(milliseconds=1) << 80), (1 << 128) - 1))


def short_number(value: uuid.UUID) -> int:
    """The 63-bit number of a UUIDv7, for decimal and hex message ids."""
    number = value.int
    ms = (number >> 80) - EPOCH_2025_MS
    return ms << 23 | ((number >> 64) & _COUNTER_MAX) << 11 | (number >> _LOW_BITS) & 0x7FF


def range_of_short(number: int) -> tuple[uuid.UUID, uuid.UUID]:
    """The first and the last UUID that a short number may stand for."""
    ms, counter, process = (number >> 23) + EPOCH_2025_MS, number >> 11 & _COUNTER_MAX, number & 0x7FF
    low = ms << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | process << _LOW_BITS
    return uuid.UUID(int=low), uuid.UUID(int=low | _LOW_MASK)
