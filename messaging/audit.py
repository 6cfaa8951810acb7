"""Do messages and the ledger tell the same story of money? I4, I5 (parts), I6 and I7 (reliability, money).

Messages are read in id ranges of a bounded number of rows, each range in one statement that sees one moment;
only contradictions leave the database. Months whose partitions were dropped are not looked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db import connection

from billing.audit import Finding
from billing.ledger import PAID_ON
from common.ids import floor_at, milliseconds
from common.money import from_units
from common.sql import Row, dialect
from messaging.models import Status

ROWS = 20_000  # a range; its statements stay well under a second
_LAST = UUID(int=(1 << 128) - 1)
# A charge's id is drawn in the batch that its messages are in: seconds apart. What lies further is looked up alone.
_NEAR = 60_000  # milliseconds
_UNDER_WAY = (Status.SCHEDULED, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN, Status.SUBMITTED)


@dataclass(frozen=True, slots=True)
class _Range:
    """Ids from `low` up to, not including, `high`."""

    low: UUID
    high: UUID


def charged_messages_check(*, since: date | None = None) -> Iterator[Finding]:
    """What messages and ledger contradict, from the day `since` (UTC; default: the oldest that is kept)."""
    kept = _oldest_kept()
    floor = max(kept, floor_at(datetime.combine(since, time(), UTC))) if since else kept
    for span in _ranges("messaging_message", floor):
        yield from _prices(span)
        yield from _uncharged(span)
        yield from _policy(span)
    for span in _ranges("billing_ledgerentry", floor):
        yield from _charges(span, kept)
        yield from _refunds(span, floor)


def _oldest_kept() -> UUID:
    """Where the oldest monthly partition begins, on PostgreSQL; everything elsewhere."""
    if connection.vendor != "postgresql":
        return UUID(int=0)
    rows = _fetch(
        "SELECT MIN(c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'messaging_message'::regclass AND c.relname ~ '_[0-9]{6}$'"
    )
    month = rows[0][0]
    return floor_at(datetime.strptime(month[-6:], "%Y%m").replace(tzinfo=UTC)) if month else UUID(int=0)


def _ranges(table: str, low: UUID) -> Iterator[_Range]:
    value = dialect().value
    while True:
        rows = _fetch(f"SELECT id FROM {table} WHERE id >= %s ORDER BY id LIMIT 1 OFFSET {ROWS}", value(low))
        if not rows:
            yield _Range(low, _LAST)
            return
        high = dialect().uuid(rows[0][0])
        yield _Range(low, high)
        low = high


def _prices(span: _Range) -> Iterator[Finding]:
    """I7: price = parts × unit price."""
    for message_id, price, unit_price, parts in _fetch(
        "SELECT id, price, unit_price, parts FROM messaging_message "
        "WHERE id >= %s AND id < %s AND price <> unit_price * parts",
        *_bounds(span),
    ):
        text = f"price {_credits(price)} is not {parts} × {_credits(unit_price)}"
        yield Finding("I7", f"message {_id(message_id)}: {text}")


def _uncharged(span: _Range) -> Iterator[Finding]:
    """I4: a message with a price names a charge of its own account that exists; a blocked one has no price."""
    for message_id, charge, status in _fetch(
        "SELECT m.id, m.charge, m.status FROM messaging_message m LEFT JOIN billing_ledgerentry e "
        "ON e.id = m.charge AND e.reason = 'charge' AND e.account_id = m.account_id "
        "WHERE m.id >= %s AND m.id < %s AND m.price > 0 AND (e.id IS NULL OR m.status = 'BLOCKED')",
        *_bounds(span),
    ):
        if status == Status.BLOCKED:
            yield Finding("I6", f"message {_id(message_id)}: blocked, and has a price")
        else:
            yield Finding("I4", f"message {_id(message_id)}: has a price and no charge ({charge and _id(charge)})")


def _charges(span: _Range, kept: UUID) -> Iterator[Finding]:
    """I4: the messages of a charge cost together what was charged.

    Messages are drawn up to a minute before their charge: of one right after `kept` some may have been dropped.
    """
    near = (_shifted(span.low, -_NEAR), _shifted(span.high, _NEAR))
    suspects = _fetch(
        "SELECT e.id, e.amount FROM billing_ledgerentry e LEFT JOIN (SELECT charge, SUM(price) AS price "
        "FROM messaging_message WHERE id >= %s AND id < %s AND charge >= %s AND charge < %s GROUP BY charge) AS m "
        "ON m.charge = e.id WHERE e.id >= %s AND e.id < %s AND e.reason = 'charge' "
        "AND COALESCE(m.price, 0) <> e.amount",
        *(dialect().value(item) for item in near),
        *_bounds(span),
        *_bounds(span),
    )
    for start in range(0, len(suspects), 500):
        yield from _confirmed([dialect().uuid(row[0]) for row in suspects[start : start + 500]], kept)


def _confirmed(charge_ids: list[UUID], kept: UUID) -> Iterator[Finding]:
    """Those of the charges that do not fit their messages wherever these lie: the whole table, so only suspects."""
    of_entry, entry_params = dialect().any_of("e.id", charge_ids)
    of_message, message_params = dialect().any_of("charge", charge_ids)
    for entry_id, amount, price in _fetch(
        "SELECT e.id, e.amount, COALESCE(m.price, 0) FROM billing_ledgerentry e LEFT JOIN (SELECT charge, "
        f"SUM(price) AS price FROM messaging_message WHERE {of_message} GROUP BY charge) AS m ON m.charge = e.id "
        f"WHERE {of_entry} AND COALESCE(m.price, 0) <> e.amount",
        *message_params,
        *entry_params,
    ):
        if price < amount and UUID(int=0) < kept <= _id(entry_id) < _shifted(kept, _NEAR):
            continue
        text = f"{_credits(amount)} charged for messages that cost {_credits(price)}"
        yield Finding("I4", f"charge {_id(entry_id)}: {text}")


def _refunds(span: _Range, floor: UUID) -> Iterator[Finding]:
    """I5: a refund is of one part, of that part's charge, and at most its unit price."""
    part_id = _part_of_key("e.key")
    for key, part, amount, unit_price, fits in _fetch(
        f"SELECT e.key, p.id, e.amount, m.unit_price, e.reference = {_hex('m.charge')} "
        f"FROM billing_ledgerentry e LEFT JOIN messaging_part p ON p.id = {part_id} "
        "LEFT JOIN messaging_message m ON m.id = p.message_id AND m.account_id = e.account_id "
        "WHERE e.id >= %s AND e.id < %s AND e.reason = 'refund' "
        f"AND ({part_id} IS NULL OR {part_id} >= %s) "
        f"AND (m.id IS NULL OR m.charge IS NULL OR e.amount > m.unit_price OR e.reference <> {_hex('m.charge')})",
        *_bounds(span),
        dialect().value(floor),
    ):
        if part is None or unit_price is None:
            yield Finding("I5", f"refund {key}: there is no such part of this account")
        elif not fits:
            yield Finding("I5", f"refund {key}: is not of the charge of its part")
        else:
            yield Finding("I5", f"refund {key}: {_credits(amount)} for a part of {_credits(unit_price)}")


# On what it was to be paid when it was charged; the present rule only where the charge does not say.
_TERMS = (
    f"COALESCE(CASE c.description WHEN '{PAID_ON}submit' THEN 'submit' WHEN '{PAID_ON}delivery' THEN 'delivery' END, "
    "a.charge_on)"
)
# Must be refunded. REJECTED after a submit is the network's answer: only accounts that pay on delivery get it back.
_DUE = (
    "(p.status IN ('FAILED', 'CANCELLED') OR (p.status IN ('REJECTED', 'EXPIRED') AND p.submitted_at IS NULL) "
    f"OR ({_TERMS} = 'delivery' AND p.status IN ('UNDELIVERED', 'EXPIRED', 'REJECTED', 'DELETED', 'UNKNOWN')))"
)
# Must not be. A part refunded as UNKNOWN may be delivered late: an event, never a second charge.
_NEVER = (
    "(p.status IN (" + ", ".join(f"'{status.value}'" for status in _UNDER_WAY) + ") "
    "OR (p.status = 'DELIVERED' AND UPPER(e.description) NOT LIKE 'UNKNOWN%%'))"
)


def _policy(span: _Range) -> Iterator[Finding]:
    """I6: what failed for good is refunded by the account's policy, what was delivered is not."""
    # A part shares its message's millisecond: bounds on both let PostgreSQL prune partitions.
    part_low, part_high = _shifted(span.low, 0), _shifted(span.high, 1)
    for part_id, status, charge_on, refunded in _fetch(
        f"SELECT p.id, p.status, {_TERMS}, e.amount FROM messaging_message m "
        "JOIN messaging_part p ON p.message_id = m.id JOIN accounts_account a ON a.id = m.account_id "
        "LEFT JOIN billing_ledgerentry c ON c.id = m.charge "
        f"LEFT JOIN billing_ledgerentry e ON e.key = 'ref:' || {_hex('p.id')} "
        "WHERE m.id >= %s AND m.id < %s AND p.id >= %s AND p.id < %s AND m.unit_price > 0 "
        f"AND ((e.id IS NULL AND {_DUE}) OR (e.id IS NOT NULL AND {_NEVER}) "
        f"OR (e.amount < m.unit_price AND {_DUE}))",
        *_bounds(span),
        dialect().value(part_low),
        dialect().value(part_high),
    ):
        text = "not refunded" if refunded is None else f"refunded {_credits(refunded)}"
        yield Finding("I6", f"part {_id(part_id)}: {status}, {text} (charged on {charge_on})")


def _part_of_key(column: str) -> str:
    """SQL: the part's id in a refund's key, NULL when the key is malformed."""
    if connection.vendor == "postgresql":
        return f"CASE WHEN {column} ~ '^ref:[0-9a-f]{{32}}$' THEN CAST(substr({column}, 5) AS uuid) END"
    return f"CASE WHEN length({column}) = 36 AND {column} LIKE 'ref:%%' THEN substr({column}, 5) END"


def _hex(column: str) -> str:
    """SQL: a UUID as 32 hex digits."""
    return f"replace(CAST({column} AS text), '-', '')"


def _shifted(value: UUID, by: int) -> UUID:
    """The lowest id `by` milliseconds after the id's own; the ends of all ids stay where they are."""
    if value in (UUID(int=0), _LAST):
        return value
    return UUID(int=(milliseconds(value) + by) << 80)


def _bounds(span: _Range) -> tuple[Any, Any]:
    return dialect().value(span.low), dialect().value(span.high)


def _fetch(sql: str, *params: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Row] = cursor.fetchall()
        return rows


def _id(value: Any) -> UUID:
    return dialect().uuid(value)


def _credits(units: int) -> str:
    return str(from_units(int(units)))
