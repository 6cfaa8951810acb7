"""Retention by DROP: old months go as whole partitions, when nothing in them can matter to anybody any more.

Why no unfinished work is left dangling:
- Messages, parts and deliveries of one message have ids of one millisecond, so they lie in one month. Attempts,
  events and receipts are younger than the message that they are about: they lie in its month or in a later one.
- Months go from the oldest on, each with all its tables, and the first that must stay ends it. So the children of a
  message that is kept are kept.
- A month stays while a row of it is unfinished. A final row does not open again after LEAST_DAYS: receipts look for
  their part for LOOK_BACK, webhooks are tried for three days. A dead letter that an operator sends again just now is
  found under the lock of the partition (common.partitions.drop).
- Messages go first: the audit begins with the oldest month of messages, so a drop that was cut short contradicts
  nothing, and the next one ends it.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings
from django.db import OperationalError, connection, models

from billing.audit import patience
from billing.seals import first_unsealed_day
from common import partitions
from common.clock import utc_now
from common.ids import floor_at
from common.partitions import Partition, next_month
from common.transactions import is_lock_timeout
from inbound.models import InboundMessage
from messaging.models import Attempt, Delivery, DeliveryAttempt, Message, MessageEvent, Part, Receipt
from messaging.receipts.matching import LOOK_BACK
from messaging.status import OPEN

log = structlog.get_logger(__name__)

Month = tuple[int, int]
LEAST_DAYS = (LOOK_BACK + timedelta(days=4)).days
PATIENCE = 240  # seconds a look at one month's messages may take; the tick may take 280
TRIES = 10  # for a lock, a second apart
_OPEN = sorted(OPEN)
# What holds a month, by table in the order in which the tables go; one condition for each partial index.
_UNFINISHED: Mapping[type[models.Model], Sequence[str]] = {
    Message: ["status IN (" + ", ".join(f"'{state}'" for state in _OPEN) + ")"],
    Part: [f"status = '{state}'" for state in _OPEN],
    Delivery: ["state = 'PENDING'", "state = 'CLAIMED'"],
    Receipt: ["state = 'PARKED'"],
    Attempt: (),
    MessageEvent: (),
    InboundMessage: (),
}
UNFINISHED = {model._meta.db_table: conditions for model, conditions in _UNFINISHED.items()}


@dataclass(frozen=True, slots=True)
class Dropped:
    """What went, in order, and why the next month that is old enough stays ("": none is left)."""

    names: list[str]
    stays: str = ""


class TooShort(ValueError):
    """A retention shorter than what messages may still be waiting for."""


def check_days(days: int) -> None:
    """Raise TooShort for less than LEAST_DAYS."""
    if days < LEAST_DAYS:
        raise TooShort(f"a retention of {days} days is too short: receipts and webhooks may take {LEAST_DAYS}")


def old_months(days: int, *, now: datetime) -> dict[Month, list[Partition]]:
    """The months that ended at least `days` days ago, the oldest first, with their partitions in dropping order."""
    check_days(days)
    limit = now - timedelta(days=days)
    order = {table: place for place, table in enumerate(UNFINISHED)}
    found: dict[Month, list[Partition]] = defaultdict(list)
    for partition in partitions.listed():
        if partition.table in order and partition.month and _end(partition.month) <= limit:
            found[partition.month].append(partition)
    return {month: sorted(found[month], key=lambda partition: order[partition.table]) for month in sorted(found)}


def why_kept(month: Month, pieces: Sequence[Partition], *, force_unsealed: bool = False) -> str:
    """Why this month must stay; "" when it may go."""
    named = f"{month[0]}-{month[1]:02}"
    unsealed = None if force_unsealed else first_unsealed_day()
    # An empty ledger needs no seal.
    if unsealed is not None and unsealed < _end(month).date():
        return f"{named} stays: the ledger is not sealed from {unsealed} on (manage.py audit_ledger --seal)"
    # The dear look at the messages comes last.
    for piece in sorted(pieces, key=lambda piece: piece.table == Message._meta.db_table):
        held = partitions.holding(piece.name, UNFINISHED[piece.table])
        if held:
            return f"{named} stays: {piece.name} has rows with {held}"
    return ""


def drop_old(days: int, *, now: datetime, force_unsealed: bool = False) -> Dropped:
    """Drop the months that are over for `days` days, up to the first that must stay."""
    names: list[str] = []
    with patience(PATIENCE):
        for month, pieces in old_months(days, now=now).items():
            stays = why_kept(month, pieces, force_unsealed=force_unsealed) or _drop_month(pieces, names)
            if stays:
                return Dropped(names, stays)
            _forget_tries(month)
    return Dropped(names)


def apply_setting() -> None:
    """RETENTION_DAYS, for the clock: 0 keeps everything."""
    if not settings.RETENTION_DAYS or connection.vendor != "postgresql":
        return
    done = drop_old(settings.RETENTION_DAYS, now=utc_now())
    if done.names:
        log.info("partitions_dropped", names=done.names)
    if done.stays:
        log.warning("retention_held", reason=done.stays)


def _drop_month(pieces: Sequence[Partition], names: list[str]) -> str:
    for piece in pieces:
        held = _drop(piece)
        if held:
            return held
        names.append(piece.name)
    return ""


def _drop(piece: Partition) -> str:
    for left in range(TRIES - 1, -1, -1):
        try:
            held = partitions.drop(piece.name, unless=UNFINISHED[piece.table])
            return f"{piece.name} stays: it has rows with {held}" if held else ""
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            if left:
                time.sleep(1)
    return f"{piece.name} stays: it was in use each of {TRIES} times; try again later"


def _forget_tries(month: Month) -> None:
    """Failed webhook tries lie in a plain table: those of the dropped deliveries go with them, in passes."""
    gone = DeliveryAttempt.objects.filter(delivery_id__lt=floor_at(_end(month)))
    for ids in _passes(gone):
        DeliveryAttempt.objects.filter(pk__in=ids).delete()


def _passes(rows: "models.QuerySet[DeliveryAttempt]") -> Iterator[list[int]]:
    while ids := list(rows.order_by("delivery_id").values_list("pk", flat=True)[:5000]):
        yield ids


def _start(month: Month) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)


def _end(month: Month) -> datetime:
    return _start(next_month(*month))
