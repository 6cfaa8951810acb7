"""What the simulator counted; the other end of every promise that a load or chaos run checks."""

from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import Any

from smpp.constants import status_name


@dataclass(slots=True)
class Counters:
    """Totals since the start; gauges are `sessions`, `receipts_waiting`, `scheduled` and `rate`.

    `duplicates`: submits accepted again with the same addresses, text and concatenation header.
    `receipts_sent` counts repeats too (`receipts_repeated`). `answers_withheld`: never given, on purpose;
    `answers_lost`: their session had ended. `disconnects`: sessions that we cut on purpose.
    `max_window_seen`: most unanswered requests on one session.
    `rate`, `rate_peak`: submits in the last whole second, and the most in one second.
    """

    binds: int = 0
    refused_binds: int = 0
    sessions: int = 0
    submits: int = 0
    accepted: int = 0
    duplicates: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    answers_withheld: int = 0
    answers_lost: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    receipts_refused: int = 0
    receipts_repeated: int = 0
    receipts_dropped: int = 0
    receipts_waiting: int = 0
    mo_sent: int = 0
    mo_acked: int = 0
    mo_dropped: int = 0
    raw_sent: int = 0
    disconnects: int = 0
    protocol_faults: int = 0
    max_window_seen: int = 0
    scheduled: int = 0
    rate: int = 0
    rate_peak: int = 0
    _submits_before: int = 0

    def second_passed(self) -> None:
        """Close one second of the rate."""
        self.rate = self.submits - self._submits_before
        self.rate_peak = max(self.rate_peak, self.rate)
        self._submits_before = self.submits

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON values, the answers by status name."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if not item.name.startswith("_")}
        values["answers"] = {status_name(status): number for status, number in sorted(self.answers.items())}
        return values


class SeenBefore:
    """Remembers the last `limit` keys by their hash; O(limit) memory, 64-bit hashes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hashes: set[int] = set()
        self._order: deque[int] = deque()

    def add(self, key: tuple[Any, ...]) -> bool:
        """Remember the key and say whether it was known."""
        digest = hash(key)
        if digest in self._hashes:
            return True
        if len(self._order) >= self._limit:
            self._hashes.discard(self._order.popleft())
        self._hashes.add(digest)
        self._order.append(digest)
        return False
