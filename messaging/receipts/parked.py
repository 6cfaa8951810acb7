"""Receipts that came before their part was known: kept in the table, looked at again, settled when it is."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from common.clock import utc_now
from common.ids import floor_at
from common.sql import dialect
from common.transactions import limit_statements, retried
from messaging import deliveries, finals, rows
from messaging.lines import line
from messaging.models import Receipt, Status
from messaging.receipts import halving, order, shared
from messaging.receipts.keys import Side, provider_key
from messaging.receipts.matching import PARKED_FOR, Match, fact_of, match, may_wait, owned
from messaging.receipts.matching import parked as parked_with
from messaging.receipts.reading import Fact, OnText, Origin, TextPdu, read, text_of
from messaging.receipts.settling import Settled, park, settle
from messaging.rows import MessageRow, PartRow
from smpp.errors import PduError

log = structlog.get_logger(__name__)

BUDGET = 10.0  # seconds that one tick spends on what is due; others of its steps wait, and the next tick goes on
WITHOUT_A_PART = (Receipt.State.PARKED, Receipt.State.ORPHAN)
_TABLE = Receipt._meta.db_table
_COLUMNS = (
    ("v_id", "uuid"),
    ("v_state", "varchar"),
    ("v_part_id", "uuid"),
    ("v_matched_by", "varchar"),
    ("v_next_try_at", "timestamptz"),
    ("v_tries", "smallint"),
    ("v_provider_key", "varchar"),
)


def apply_parked(
    facts: Sequence[Fact],
    matches: Mapping[UUID, Match],
    parts: Mapping[UUID, PartRow],
    messages: Mapping[UUID, MessageRow],
    *,
    now: datetime,
) -> Settled:
    """Settle parts by parked receipts; the caller holds the locks of the parts and finishes what ended."""
    held = _lock(fact.id for fact in facts)
    mine = [fact for fact in facts if fact.id in held]
    settled = settle(mine, matches, parts, messages, now=now, fresh=False)
    _write(mine)
    return settled


def settle_returned(
    returned: Sequence[PartRow],
    parts: Mapping[UUID, PartRow],
    messages: Mapping[UUID, MessageRow],
    *,
    now: datetime,
) -> Settled:
    """Settle parts that wait for the receipt of their first copy again, whose carrier may have spoken for them while
    they were elsewhere: by a receipt of their own that was parked then, else by that of another part.

    The caller holds the locks of `rows.lock_with_siblings`, and finishes what ended.
    """
    waiting = {part.id: part for part in returned if part.status == Status.SUBMITTED and shared.shares(part)}
    keys: dict[str, set[str]] = defaultdict(set)
    for part in waiting.values():
        if view := line(part.connector_id):
            keys[view.carrier_account].add(part.provider_key)
    found = [fact for carrier in sorted(keys) for fact in parked_with(carrier, keys[carrier], now=now)]
    matches = match(found, now=now) if found else {}
    own = [fact for fact in found if fact.id in matches and matches[fact.id].part_id in waiting]
    settled = apply_parked(own, matches, parts, messages, now=now) if own else Settled()
    settled.ended += shared.settle_siblings(list(waiting.values()), parts, messages)
    return settled


@retried()
def rematch(
    receipt_ids: Collection[UUID],
    *,
    last_look: datetime | None = None,
    orphans: bool = False,
    rule: str = "",
    on_text: OnText | None = None,
) -> int:
    """Look for the parts of parked receipts once more; returns how many were found.

    Without `last_look` an unmatched one is left as it is: the look right after parking is not one of the tries. With
    `orphans` those that were given up get a look, too; `rule` is that of the ids, where a process may not know it yet.
    `on_text` gets those without a mark whose time is over, in the transaction that deletes them.
    """
    with transaction.atomic():
        if last_look is not None:
            limit_statements(halving.PATIENCE)
        now = last_look or rows.database_now()
        states = WITHOUT_A_PART if orphans else (Receipt.State.PARKED,)
        waiting = Receipt.objects.filter(id__in=receipt_ids, state__in=states).order_by("id")
        facts = [_rekeyed(fact_of(row), rule) for row in waiting]
        matches = match(facts, now=now)
        if last_look is None:
            facts = [fact for fact in facts if fact.id in matches]
        if not facts:
            return 0
        facts, matches = _with_elders(facts, matches, now)
        owners, families = owned(matches.values()), shared.families(facts, matches)
        parts, messages = rows.lock_with_siblings(owners.keys(), owners=owners, families=families)
        settled = apply_parked(facts, matches, parts, messages, now=now)
        if on_text is not None:
            _tell_texts([fact for fact in facts if fact.id not in matches], on_text, now)
        close(settled, messages, now=now)
    return sum(fact.state not in WITHOUT_A_PART for fact in facts if fact.id in matches)


def _tell_texts(facts: Sequence[Fact], on_text: OnText, now: datetime) -> None:
    """What read like a receipt and met no part is somebody's words; whoever deletes its row tells them.

    Not what met a part that is just going over another connector: it waits for what becomes of that.
    """
    over = {fact.id: fact for fact in facts if fact.state in WITHOUT_A_PART and not may_wait(fact, now)}
    if not over:
        return
    sql = dialect()
    among, ids = sql.keyed("id", over.keys())
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {_TABLE} WHERE {among} AND state IN ('PARKED', 'ORPHAN') RETURNING id", ids)
        gone = sorted(sql.uuid(key) for (key,) in cursor.fetchall())
    if gone:
        on_text([as_text(over[key]) for key in gone])


def as_text(fact: Fact) -> TextPdu:
    """It looked like a receipt, but is about nothing of ours: somebody's words."""
    view = line(fact.connector_id)
    assert view is not None
    return text_of(bytes.fromhex(fact.raw), Origin(view, fact.bind_no or 0, fact.received_at))


def _with_elders(facts: list[Fact], matches: dict[UUID, Match], now: datetime) -> tuple[list[Fact], dict[UUID, Match]]:
    """With those that came before, about the same messages: the first final one settles."""
    before = order.elders(facts, matches, now=now)
    found = match(before, now=now) if before else {}
    known = [fact for fact in before if fact.id in found]
    return sorted([*facts, *known], key=lambda fact: fact.id), matches | found


def close(settled: Settled, messages: Mapping[UUID, MessageRow], *, now: datetime) -> None:
    """Write what settling led to; last in the transaction, because wallets are."""
    rows.keep_events(settled.events, at=now)
    deliveries.plan(settled.underway, now=now)
    finals.finish(settled.ended, messages, now=now)


def rematch_due(*, limit: int = 1000, on_text: OnText | None = None) -> int:
    """Look again at parked receipts whose time has come, in passes of at most `limit`; returns how many were found.

    `on_text` gets those without a mark that met no part in UNMARKED_FOR; without it they wait on. Ends after BUDGET
    seconds. Safe to run twice at once: two looks at one receipt find the same part, and its row says who was first.
    """
    total, until = 0, time.monotonic() + BUDGET
    while True:
        now = rows.database_now()
        # However old: what nobody looked at for days must become an orphan too, or it would hold its month for ever.
        due = Receipt.objects.filter(state=Receipt.State.PARKED, next_try_at__lte=now)
        ids = list(due.order_by("next_try_at").values_list("id", flat=True)[:limit])
        if ids:
            total += _look(ids, now, until, on_text)
        if len(ids) < limit or time.monotonic() >= until:
            return total


def _look(ids: Sequence[UUID], now: datetime, until: float, on_text: OnText | None) -> int:
    """What cannot be looked at waits for its next date by itself, so that the others are."""
    looked = halving.halved(ids, lambda some: rematch(some, last_look=now, on_text=on_text), until=until)
    if looked.failed:
        log.error("parked_receipts_failed", ids=[str(key) for key in looked.failed[:20]], error=repr(looked.error))
        _put_off(looked.failed, now)
    return looked.done


def _put_off(receipt_ids: Collection[UUID], now: datetime) -> None:
    with transaction.atomic():
        held = _lock(receipt_ids)
        facts = [fact_of(row) for row in Receipt.objects.filter(id__in=held).order_by("id")]
        for fact in facts:
            fact.tries += 1
            park(fact, now)
        _write(facts)


def rematch_addresses(addresses: Collection[str], carrier_account: str) -> int:
    """Look again at parked receipts from or to these addresses, before uncertain parts are sent once more."""
    with_plus = {form for address in addresses for form in (address, f"+{address}")}
    now, slack = utc_now(), timedelta(hours=1)
    waiting = Receipt.objects.filter(
        carrier_account=carrier_account,
        state=Receipt.State.PARKED,
        id__gte=floor_at(now - PARKED_FOR - slack),
        id__lt=floor_at(now + slack),
    )
    near = waiting.filter(source__in=with_plus) | waiting.filter(destination__in=with_plus)
    ids = list(near.order_by("id").values_list("id", flat=True)[:1000])
    return rematch(ids) if ids else 0


def _rekeyed(fact: Fact, rule: str) -> Fact:
    """By the connector's present rule, which may have been accepted after the receipt came; with the id of its text,
    where the TLV names another one, and whether it is marked as a receipt: only the row's octets have these."""
    view = line(fact.connector_id)
    if view is None:
        return fact
    view = replace(view, id_rule=rule) if rule else view
    if fact.provider_id:
        fact.provider_key = provider_key(fact.provider_id, view.id_rule, side=Side.RECEIPT)
    try:
        again = read(bytes.fromhex(fact.raw), Origin(view, fact.bind_no or 0, fact.received_at))
    except (PduError, ValueError):  # a row from elsewhere: its id is all that it has
        return fact
    if isinstance(again, Fact):
        fact.other_key, fact.certain = again.other_key, again.certain
    return fact


def _lock(receipt_ids: Iterable[UUID]) -> set[UUID]:
    still = Receipt.objects.filter(id__in=list(receipt_ids), state__in=WITHOUT_A_PART).order_by("id")
    return set(still.select_for_update().values_list("id", flat=True))


def _write(facts: Sequence[Fact]) -> None:
    if not facts:
        return
    sql = dialect()
    values = [(f.id, str(f.state), f.part_id, f.matched_by, f.next_try_at, f.tries, f.provider_key) for f in facts]
    source, params = sql.rows("v", _COLUMNS, values)
    among, ids = sql.any_of("id", [fact.id for fact in facts])
    assignments = ", ".join(f"{name[2:]} = {name}" for name, _ in _COLUMNS[1:])
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {_TABLE} SET {assignments} FROM {source} WHERE id = v_id AND {among}", [*params, *ids])
