"""Which receipt came first: of two that conflict the earlier one settles, whichever task was quicker.

Receipts have ids in the order in which they came (`line`). Two tasks may hold batches of one carrier at once, so a
task looks at what the other holds before it settles, and takes along what was parked before its own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from messaging.lines import line, siblings
from messaging.models import LineBatch
from messaging.receipts.batches import Batch, fresh_before
from messaging.receipts.matching import Match, parked
from messaging.receipts.reading import Fact, Origin, read
from smpp.errors import PduError


class Behind(Exception):
    """Batches that came earlier and speak of the same messages are in other hands; nothing was written."""

    def __init__(self, batch_ids: Collection[UUID]) -> None:
        super().__init__(f"{len(batch_ids)} batches came earlier")
        self.batch_ids = batch_ids


def check(batches: Sequence[Batch], facts: Sequence[Fact]) -> None:
    """Raise Behind when a batch that is not among `batches` has an earlier word on a message of these receipts.

    A batch that failed before is not waited for: its turn may be hours away.
    """
    newest: dict[tuple[str, str], UUID] = {}
    for fact in facts:  # in order, so that the last one of a name stays
        newest.update(dict.fromkeys(_names(fact), fact.id))
    if not newest:
        return
    lines = {number for carrier, _ in newest for number in siblings(carrier)}
    mine = {batch.id for batch in batches}
    others = [batch for batch in fresh_before(max(newest.values()), lines) if batch.id not in mine]
    earlier = [batch.id for batch in others if any(newest.get(name, batch.id) > batch.id for name in _said(batch))]
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
    newest: dict[tuple[str, str], UUID] = {}
    for fact in found:
        newest.update(dict.fromkeys(_names(fact), fact.id))
    return [fact for fact in waiting if fact.id not in known and fact.id < newest[_names(fact)[0]]]


def _names(fact: Fact) -> list[tuple[str, str]]:
    return [(fact.carrier_account, key) for key in fact.keys]


def _said(batch: Batch) -> Iterable[tuple[str, str]]:
    view = line(batch.connector_id)
    for pdu in batch.pdus if view is not None else ():
        try:
            found = read(bytes.fromhex(pdu), Origin(view, batch.bind_no, batch.received_at)) if view else None
        except (PduError, ValueError):  # whoever records it finds out, and says so
            continue
        if isinstance(found, Fact):
            yield from _names(found)
