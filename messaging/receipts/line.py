"""From a carrier's bind into the tables: PDUs are stored as they came, answered, and then understood.

A LineBatch row lives only between the two: the transaction that records what its PDUs mean deletes it.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import UUID

import structlog
from django.db import connection, transaction

from common.crash import point
from common.ids import derive, new_id
from common.jobs import Job, enqueue
from common.queues import Work
from common.sql import dialect, hot
from common.transactions import is_passing, limit_statements, retried
from messaging import rows
from messaging.lines import line
from messaging.models import LineBatch, Receipt
from messaging.receipts import batches, halving, order, parked, shared
from messaging.receipts.batches import Batch, Sized
from messaging.receipts.matching import match, may_wait, owned
from messaging.receipts.reading import Fact, OnText, Origin, TextPdu, read
from messaging.receipts.settling import Settled, settle

log = structlog.get_logger(__name__)

RECORD = Job("messaging.record_line_events", queue=Work.EVENTS)
# A PDU that fails five times over two hours fails by itself, not by its surroundings.
TRIES = 5
# Octets of hex in a transaction: some 1,000 receipts, well under the statement timeout.
TOGETHER = 400_000
COMPANY = 200  # batches that one call takes along at once
ROUNDS = 20  # times that it takes such company, while those that were named are behind a backlog
WAITS = 5  # times that a group waits for earlier batches in other hands
RETRY = (5, 60, 600, 3600)


def store(connector_id: int, bind_no: int, pdus: Sequence[bytes]) -> UUID:
    """Commit PDUs of a bind (at most 500) in one row; answer the carrier after this, and `ask` for their recording."""
    batch_id = new_id()
    sql = dialect()
    with hot() as cursor:  # one statement is its own transaction
        cursor.execute(
            f"INSERT INTO {LineBatch._meta.db_table} (id, connector_id, bind_no, received_at, pdus, tries, error) "
            f"VALUES (%s, %s, %s, {sql.now}, %s, 0, '')",
            [sql.value(batch_id), connector_id, bind_no, _joined(pdus)],
        )
    point("line-stored")
    return batch_id


def ask(batch_ids: Sequence[UUID]) -> None:
    """Ask for the recording of stored batches."""
    enqueue(RECORD, ids=[batch_id.hex for batch_id in batch_ids])


def record_line_events(batch_ids: Collection[UUID], *, on_text: OnText) -> int:
    """Record what stored PDUs mean; returns how many batches were done.

    `on_text` gets the texts from handsets inside the transaction. A batch that fails on its data is halved until
    the culprit stands alone: the others are recorded, it is tried again and after five tries left as dead with its
    error. Raises what the database raises when it is away; batches that another process holds are passed over.
    """
    until = time.monotonic() + halving.BUDGET
    # Sorted by id, in the order in which they came: the first of two that conflict wins.
    return sum(_record_group(group, on_text, until) for group in _groups(batches.named(batch_ids)))


def record_waiting(batch_ids: Collection[UUID], *, on_text: OnText) -> int:
    """Record the named batches and, in the same transactions, fresh ones that wait beside them.

    A busy line stores a few receipts at a time, each with a hint of its own: recorded one by one the cost of a
    transaction would be paid for every few; the later hints find nothing left to do. What is behind a backlog waits
    for it: the first of two that conflict wins.
    """
    done, left, until = 0, set(batch_ids), time.monotonic() + halving.BUDGET
    for _ in range(ROUNDS):
        found = batches.waiting(left, COMPANY)
        done += sum(_record_group(group, on_text, until) for group in _groups(found))
        left.difference_update(key for key, _ in found)
        if len(found) < COMPANY or not left:
            break
    return done


def _groups(sizes: Sequence[Sized]) -> Iterator[list[UUID]]:
    group: list[UUID] = []
    room = TOGETHER
    for batch_id, size in sizes:
        if group and size > room:
            yield group
            group, room = [], TOGETHER
        group.append(batch_id)
        room -= size
    if group:
        yield group


def _record_group(batch_ids: Sequence[UUID], on_text: OnText, until: float) -> int:
    try:
        return _record(batch_ids, on_text)
    except Exception as error:
        if is_passing(error):
            raise
        log.warning("line_batch_failed", batches=len(batch_ids), error=repr(error))
    done = 0
    for batch_id in batch_ids:
        done += _record_carefully(batch_id, on_text, until)
        if time.monotonic() >= until:  # the next task takes the others, and this one is out of its way
            break
    return done


def _record(batch_ids: Collection[UUID], on_text: OnText, only: Collection[str] | None = None) -> int:
    for _ in range(WAITS):
        try:
            count, waiting = _record_once(batch_ids, on_text, only)
            break
        except order.Behind as behind:
            order.wait_for(behind.batch_ids)
            batch_ids = {*batch_ids, *behind.batch_ids}
    else:
        log.warning("line_batches_behind", batches=len(batch_ids))  # the tick that looks for pending ones takes them
        return 0
    point("line-recorded")
    if waiting:
        # The answers to these may have been committed while we looked: now both sides are visible.
        parked.rematch(waiting)
    return count


@retried()
def _record_once(batch_ids: Collection[UUID], on_text: OnText, only: Collection[str] | None) -> tuple[int, list[UUID]]:
    with transaction.atomic():
        if only is not None:
            limit_statements(halving.PATIENCE)
        held = batches.hold(batch_ids)
        if not held.batches:
            return 0, []
        facts, texts = _read(held.batches, only)
        others = order.others_words(held.batches, facts) if only is None and not held.alone else {}
        if others:
            order.check(others, order.newest(facts))
        waiting = _apply(facts, texts, on_text, others, held.now)
        _close(held.batches, only)
    return len(held.batches), waiting


def _read(held: Sequence[Batch], only: Collection[str] | None) -> tuple[list[Fact], list[TextPdu]]:
    facts: list[Fact] = []
    texts: list[TextPdu] = []
    for batch in held:
        view = line(batch.connector_id)
        if view is None:
            raise LookupError(f"connector {batch.connector_id} is gone")
        origin = Origin(view, batch.bind_no, batch.received_at)
        for number, pdu in enumerate(batch.pdus, 1):
            if only is None or pdu in only:
                # The order in which they came, whoever reads them first.
                found = read(bytes.fromhex(pdu), origin, derive(batch.id, number) if only is None else None)
                facts.append(found) if isinstance(found, Fact) else texts.append(found)
    return facts, texts


def _apply(facts: list[Fact], texts: list[TextPdu], on_text: OnText, others: order.Words, now: datetime) -> list[UUID]:
    """Returns the ids of receipts that were parked; raises order.Behind when `others` have an earlier word on a part
    that these receipts would settle by a sibling."""
    matches = match(facts, now=now)
    receipts = [fact for fact in facts if fact.id in matches or may_wait(fact, now)]
    kept = {fact.id for fact in receipts}
    texts = texts + [parked.as_text(fact) for fact in facts if fact.id not in kept]
    if texts:
        on_text(texts)
    if not receipts:
        return []
    before = order.elders(receipts, matches, now=now)
    matches |= match(before, now=now) if before else {}
    owners, families = owned(matches.values()), shared.families([*before, *receipts], matches)
    parts, messages = rows.lock_with_siblings(owners.keys(), owners=owners, families=families)
    if others and families:
        order.check(others, shared.followers_names(parts.values(), families))
    earlier = parked.apply_parked(before, matches, parts, messages, now=now) if before else Settled()
    settled = settle(receipts, matches, parts, messages, now=now, fresh=True)
    _insert(receipts)
    parked.close(earlier.joined(settled), messages, now=now)
    return [fact.id for fact in receipts if fact.state == Receipt.State.PARKED]


_COLUMNS = (
    "id",
    "connector_id",
    "bind_no",
    "carrier_account",
    "provider_id",
    "provider_key",
    "state",
    "part_id",
    "matched_by",
    "status",
    "error_code",
    "source",
    "destination",
    "submit_date",
    "done_date",
    "raw",
    "received_at",
    "next_try_at",
    "tries",
)


_row_of = attrgetter(*_COLUMNS)


def _insert(facts: Sequence[Fact]) -> None:
    for fact in facts:
        fact.state, fact.status = str(fact.state), str(fact.status)  # COPY knows no members of enums
    values = [_row_of(fact) for fact in facts]
    with connection.cursor() as cursor:
        dialect().insert(cursor, Receipt._meta.db_table, _COLUMNS, values)


def _close(held: Sequence[Batch], done: Collection[str] | None) -> None:
    """Delete what is recorded; where only some PDUs of a batch were, the others stay."""
    over = []
    for batch in held:
        left = [pdu for pdu in batch.pdus if pdu not in done] if done is not None else []
        if left:
            LineBatch.objects.filter(id=batch.id).update(pdus=",".join(left))
        else:
            over.append(batch.id)
    among, ids = dialect().any_of("id", over)
    with hot() as cursor:
        cursor.execute(f"DELETE FROM {LineBatch._meta.db_table} WHERE {among}", ids)


def _record_carefully(batch_id: UUID, on_text: OnText, until: float) -> int:
    """Record what can be recorded, and count a try of the rest."""
    batch = LineBatch.objects.filter(id=batch_id).first()
    if batch is None:
        return 0

    def record(pdus: Sequence[str]) -> int:
        return _record([batch_id], on_text, frozenset(pdus))

    error = halving.halved(batches.split(batch.pdus), record, until=until).error
    if error is not None:
        _postpone(batch_id, error)
    return 1


def _postpone(batch_id: UUID, error: Exception) -> None:
    """Count the try and set the next; none after the fifth."""
    with transaction.atomic():
        same = LineBatch.objects.filter(id=batch_id)
        for batch in same.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked):
            batch.tries += 1
            batch.error = repr(error)[:300]
            batch.next_try_at = _next_try(batch.tries, rows.database_now())
            batch.save(update_fields=["tries", "error", "next_try_at"])
            log.error("line_pdu_failed", batch=str(batch_id), tries=batch.tries, error=batch.error)


def _next_try(tries: int, now: datetime) -> datetime | None:
    return now + timedelta(seconds=RETRY[tries - 1]) if tries < TRIES else None


def _joined(pdus: Sequence[bytes]) -> str:
    return ",".join(pdu.hex() for pdu in pdus)
