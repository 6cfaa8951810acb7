"""Which receipt came first: of two that conflict the earlier one settles, whichever task was quicker.

Receipts have ids in the order in which they came (`line`). Two tasks may hold batches of one carrier at once, so a
task looks at what the other holds before it settles, and takes along what was parked before its own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from messaging.lines import line, siblings
from messaging.models import LineBatch
from messaging.receipts.batches import Batch, fresh_before
from messaging.receipts.matching import Match, parked
from messaging.receipts.reading import Fact, Origin, read
from smpp.errors import PduError

Name = tuple[str, str]
"""A carrier account and an id by its rule: what a receipt speaks of."""
Words = Mapping[UUID, Collection[Name]]
"""Names by the batch in which they were heard."""


class Behind(Exception):
    """Batches that came earlier and speak of the same messages are in other hands; nothing was written."""

    def __init__(self, batch_ids: Collection[UUID]) -> None:
        super().__init__(f"{len(batch_ids)} batches came earlier")
        self.batch_ids = batch_ids


def others_words(batches: Sequence[Batch], facts: Sequence[Fact]) -> Words:
    """What came before the last of these receipts and is in no batch among `batches`.

    A batch that failed before is not waited for: its turn may be hours away.
    """
    last = newest(facts)
    if not last:
        return {}
    lines = {number for carrier, _ in last for number in siblings(carrier)}
    mine = {batch.id for batch in batches}
    others = [batch for batch in fresh_before(max(last.values()), lines) if batch.id not in mine]
    return {batch.id: set(_said(batch)) for batch in others}


def newest(facts: Iterable[Fact]) -> dict[Name, UUID]:
    """The last of these receipts, which are in order, under each name."""
    last: dict[Name, UUID] = {}
    for fact in facts:
        last.update(dict.fromkeys(_names(fact), fact.id))
    return last


def check(words: Words, last: Mapping[Name, UUID]) -> None:
    """Raise Behind when one of the batches speaks of a name and came before our last word on it."""
    earlier = [key for key, names in words.items() if any(last.get(name, key) > key for name in names)]
    if earlier:
        raise Behind(earlier)


def wait_for(batch_ids: Collection[UUID]) -> None:
    """Until nobody holds these batches; raises OperationalError (55P03) when that takes longer than a lock may."""
    held = LineBatch.objects.filter(id__in=batch_ids).order_by("id")
    with transaction.atomic():
        # A lock that is had is let go at once: whoever records them takes them in its own transaction.
        list(held.select_for_update() if connection.features.has_select_for_update else held)


def elders(facts: Iterable[Fact], matches: dict[UUID, Match], *, now: datetime) -> list[Fact]:
    """Parked receipts that came before those of `facts` that have a part, and are about the same messages."""
    found = [fact for fact in facts if fact.id in matches]
    by_carrier: dict[str, set[str]] = defaultdict(set)
    for fact in found:
        by_carrier[fact.carrier_account].update(fact.keys)
    waiting = [fact for carrier in sorted(by_carrier) for fact in parked(carrier, by_carrier[carrier], now=now)]
    if not waiting:
        return []
    known = {fact.id for fact in found}
    last = newest(found)
    return [fact for fact in waiting if fact.id not in known and fact.id < last[_names(fact)[0]]]


def _names(fact: Fact) -> list[Name]:
    return [(fact.carrier_account, key) for key in fact.keys]


def _said(batch: Batch) -> Iterable[Name]:
    view = line(batch.connector_id)
    for pdu in batch.pdus if view is not None else ():
        try:
            found = read(bytes.fromhex(pdu), Origin(view, batch.bind_no, batch.received_at)) if view else None
        except (PduError, ValueError):  # whoever records it finds out, and says so
            continue
        if isinstance(found, Fact):
            yield from _names(found)
