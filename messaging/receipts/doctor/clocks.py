"""Pure: what the dates in receipts are worth. They name no zone, and have 10, 12 or 14 digits.

A receipt arrives when it is done or later, so the done date minus the arrival is the zone of the carrier's clock minus
a delay of seconds. The gateway never computes a delay from a carrier's clock alone: this is for people.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

QUARTER = 900  # seconds: zones are multiples of a quarter of an hour
AGREE = 0.8  # of the receipts must show the same zone, or there is none
FEW = 5


@dataclass(frozen=True, slots=True)
class Dated:
    """The done date of a receipt, read as UTC, the digits it was written with, and when the receipt came."""

    done: datetime
    digits: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """`zone` and `drift` in seconds: the carrier's clock shows UTC + zone + drift, less what receipts take to come.

    `zone` is None where the receipts do not agree on one; `digits` maps the digits of dates to how many had them.
    """

    dated: int
    digits: dict[int, int]
    zone: int | None
    drift: float | None

    @property
    def words(self) -> str:
        """For a person."""
        if self.zone is None or self.drift is None:
            return "no zone can be told" if self.dated else "no dates"
        sign = "-" if self.zone < 0 else "+"
        hours, minutes = divmod(abs(self.zone) // 60, 60)
        return f"UTC{sign}{hours:02}:{minutes:02}, {self.drift:+.0f} s at arrival"


def judge(dates: Sequence[Dated]) -> ClockVerdict:
    """The zone on which the dates agree, and how far from it they are in the middle."""
    counted = dict(sorted(Counter(date.digits for date in dates).items()))
    offsets = [(date.done - date.received_at).total_seconds() for date in dates]
    zone = _zone(offsets)
    drift = None if zone is None else median(offset - zone for offset in offsets)
    return ClockVerdict(len(dates), counted, zone, drift)


def _zone(offsets: Collection[float]) -> int | None:
    if len(offsets) < FEW:
        return None
    [(quarters, many)] = Counter(round(offset / QUARTER) for offset in offsets).most_common(1)
    return quarters * QUARTER if many >= AGREE * len(offsets) else None
