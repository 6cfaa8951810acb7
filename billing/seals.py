"""Seals of closed days: a hash chain over the ledger, so that a changed or missing entry shows (I8).

A day is the range of entry ids drawn in it (UTC). Its head is SHA-256 over the former day's head and every
entry of the day in id order; days without entries are sealed too, so that nothing can be slipped into them.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from billing.models import LedgerEntry, LedgerSeal
from common.ids import floor_at, moment
from common.money import to_units

# An entry's id is drawn before its transaction ends; none takes an hour (statements end after 5 s).
GRACE = timedelta(hours=1)
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Broken:
    """A day whose entries no longer fit its seal, or whose seal is missing."""

    day: date
    text: str


class ChainBroken(Exception):
    """The ledger was changed after it was sealed."""


def seal_closed_days(now: datetime) -> list[LedgerSeal]:
    """Seal every day that has ended at least an hour ago and is not sealed yet; returns the new seals.

    Several may do it at once: the first to write a day's seal wins, the others go on from it.
    """
    last = LedgerSeal.objects.order_by("-day").first()
    made = []
    head = last.head if last else GENESIS
    for day in _days(_day_after(last), _sealable(now)):  # of the same look: somebody may seal meanwhile
        entries, head = _chain(day, head)
        seal, new = LedgerSeal.objects.get_or_create(day=day, defaults={"entries": entries, "head": head})
        head = seal.head
        if new:
            made.append(seal)
    return made


def seal_what_is_due(now: datetime) -> list[LedgerSeal]:
    """The same by the clock, cheap when there is nothing to seal; the nightly audit looks at the whole chain.

    Raises ChainBroken when the last sealed day no longer fits: new seals would cover that up.
    """
    first = first_unsealed_day()
    if first is None or not any(_days(first, _sealable(now))):
        return []
    for broken in broken_seals(since=first - timedelta(days=1)):
        raise ChainBroken(broken.text)
    return seal_closed_days(now)


def first_unsealed_day() -> date | None:
    """The day after the last seal, or that of the first entry; None while the ledger is empty."""
    return _day_after(LedgerSeal.objects.order_by("-day").first())


def broken_seals(since: date | None = None) -> Iterator[Broken]:
    """The sealed days that the ledger no longer fits, from `since` (default: all of them)."""
    before = LedgerSeal.objects.filter(day__lt=since).order_by("-day").first() if since else None
    seals = LedgerSeal.objects.order_by("day")
    head, expected = (before.head, before.day + timedelta(days=1)) if before else (GENESIS, None)
    if before is None:
        yield from _entries_before_the_chain(seals.first())
    for seal in seals.filter(day__gt=before.day) if before else seals:
        if expected is not None and seal.day != expected:
            yield Broken(expected, f"the seal of {expected} is missing")
        entries, computed = _chain(seal.day, head)
        if (entries, computed) != (seal.entries, seal.head):
            yield Broken(
                seal.day, f"the ledger of {seal.day} has {entries} entries and does not fit its seal of {seal.entries}"
            )
        head, expected = seal.head, seal.day + timedelta(days=1)


def _entries_before_the_chain(first: LedgerSeal | None) -> Iterator[Broken]:
    if first is not None and LedgerEntry.objects.filter(id__lt=floor_at(_start(first.day))).exists():
        yield Broken(first.day, f"the ledger has entries from before its first seal, {first.day}")


def _chain(day: date, head: str) -> tuple[int, str]:
    """Number of entries of the day and the head after them."""
    digest = hashlib.sha256(head.encode())
    count = 0
    low, high = floor_at(_start(day)), floor_at(_start(day + timedelta(days=1)))
    for entry in LedgerEntry.objects.filter(id__gte=low, id__lt=high).order_by("id").iterator(chunk_size=2000):
        digest.update(_canonical(entry))
        count += 1
    return count, digest.hexdigest()


def _canonical(entry: LedgerEntry) -> bytes:
    """Every column, unambiguously."""
    return json.dumps(
        [
            entry.id.hex,
            entry.key,
            entry.account_id,
            entry.debit,
            entry.credit,
            to_units(entry.amount),
            to_units(entry.before),
            to_units(entry.after),
            entry.reason,
            entry.reference,
            entry.parts,
            entry.description,
            entry.source,
            entry.actor,
            entry.api_client_id,
            entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        ]
    ).encode()


def _day_after(seal: LedgerSeal | None) -> date | None:
    return seal.day + timedelta(days=1) if seal else _first_day()


def _first_day() -> date | None:
    first = LedgerEntry.objects.order_by("id").first()
    return moment(first.id).date() if first else None


def _days(first: date | None, end: date) -> Iterator[date]:
    """From `first` to the day before `end`."""
    while first is not None and first < end:
        yield first
        first += timedelta(days=1)


def _sealable(now: datetime) -> date:
    """The day before which every day may be sealed."""
    return (now - GRACE).astimezone(UTC).date()


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
