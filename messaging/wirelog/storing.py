"""Writing the wire log, and keeping no more of it than its limits say."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from common.clock import utc_now
from common.transactions import retried
from messaging.models import WireLog
from messaging.wirelog.entries import Entry, Subject, packed

Kind = WireLog.Kind
# Those who failed to bind share a short log: they must not push out what the customer himself did.
KEPT: Final = {Kind.CLIENT: 1_000, Kind.KNOCK: 200, Kind.CONNECTOR: 1_000, Kind.STRANGER: 1_000}
STRANGERS: Final = Subject(Kind.STRANGER, 0)
DAYS: Final = 7
_ROWS_A_STATEMENT: Final = 100
_PASS: Final = 500


def kept(subject: Subject) -> int:
    """How many PDUs a subject keeps."""
    return KEPT[Kind(subject.kind)]


@retried()
def store(process: str, batches: Iterable[tuple[Subject, Sequence[Entry]]]) -> None:
    """One row for each subject's new entries."""
    rows = [
        WireLog(
            kind=subject.kind,
            key=subject.key,
            process=process[:100],
            since=_moment(entries[0].at),
            until=_moment(entries[-1].at),
            count=len(entries),
            entries=packed(entries),
        )
        for subject, entries in batches
    ]
    with transaction.atomic():
        WireLog.objects.bulk_create(rows, batch_size=_ROWS_A_STATEMENT)


@retried()
def trim(subjects: Iterable[Subject]) -> int:
    """Delete rows that are older than the newest ones that hold all that a subject keeps; returns how many."""
    return sum(_trim(subject) for subject in sorted(subjects))


def _trim(subject: Subject) -> int:
    newest = WireLog.objects.filter(kind=subject.kind, key=subject.key).order_by("-until", "-id")
    enough, found = kept(subject), 0
    over: list[UUID] = []
    for pk, count in newest.values_list("pk", "count"):
        if found >= enough:
            over.append(pk)
        found += count
    return _delete(over)


def purge(now: datetime | None = None) -> int:
    """Delete what is older than a week; returns how many rows."""
    old = WireLog.objects.filter(until__lt=(now or utc_now()) - timedelta(days=DAYS)).order_by("until")
    gone = 0
    while ids := list(old.values_list("pk", flat=True)[:_PASS]):
        gone += _delete(ids)
    return gone


def _delete(ids: Sequence[UUID]) -> int:
    """In the order of the ids, a few at a time: two processes may tidy up at once."""
    ordered = sorted(ids)
    return sum(
        WireLog.objects.filter(pk__in=ordered[at : at + _PASS]).delete()[0] for at in range(0, len(ordered), _PASS)
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
