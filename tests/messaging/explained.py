"""25 months of finished traffic, and what each statement touches of it (test_explain).

Statements are caught as the gateway sends them and run under EXPLAIN (ANALYZE) first, so what counts is what was
touched, not what might have been.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from common import partitions
from common.postgresql.base import Prepared
from workers.tasks.housekeeping import PARTITIONED

MONTHS, AHEAD = 25, 3
ROWS = 1_000  # a month of each table
TABLES = {model._meta.db_table for model in PARTITIONED}

# What looks by another date than the key's must ask every month; each of these indexes holds unfinished rows only,
# so in the months that are over it is a page or none. The reason stands behind each.
BY_STATE = {
    "part_due": "a message may be scheduled for weeks before its date comes",
    "part_uncertain": "in doubt until a date, whenever it was accepted",
    "part_expiry": "validity ends at a date, whenever it was accepted",
    "part_silent": "a receipt is waited for until 72 h after the validity",
    "part_submitting": "what a dead bind had claimed, whenever it was accepted",
    "part_claim": "what waits in line, whenever it was accepted; the oldest first, and it stops when it has enough",
    "receipt_retry": "parked receipts by the date of the next look",
    "receipt_parked": "the same rows: all indexes of parked receipts are as small",
    "receipt_parked_source": "the same rows",
    "receipt_parked_dest": "the same rows",
    "delivery_due": "webhooks by the date of the next try",
    "delivery_lease": "webhooks by the end of their lease",
    "delivery_unfetched": "what no client bind fetched within seven days",
    "delivery_mailbox": "what waits for a client bind, whenever its message was accepted, up to 60 days ago",
}


# -- 25 months


@pytest.fixture(scope="module")
def history(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Months of finished traffic, committed, and gone after the module."""
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1 - (MONTHS - AHEAD - 1)
    months = [((first + i) // 12, (first + i) % 12 + 1) for i in range(MONTHS - AHEAD)]
    with django_db_blocker.unblock():
        made = [name for table in TABLES for name in partitions._make_all(table, months)]
        _fill(months[:-1], now)
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            for name in made:
                cursor.execute(f"DROP TABLE {name}")
            for table in TABLES:
                cursor.execute(f"DELETE FROM {table}")
            cursor.execute("RESET statement_timeout")


_ID = "(lpad(to_hex({ms}), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
_SOME = {
    "messaging_message": (
        "id, account_id, source, channel, sender, recipient, recipient_given, content, encoding, flash, udh, parts, "
        "lane, status, over_limit, client_ref, dlr, dlr_url, rate, cost, unit_price, price, error_code, error, "
        "possible_duplicate, created_at",
        "{id}, n % 50, 'api', 'sms', 'GATEWAY', (971500000000 + n)::text, '', repeat('x', 100), 'gsm7', false, '', 1, "
        "'bulk', 'DELIVERED', false, 'ref' || n, true, '', 0, 0, 0, 0, '', '', false, {at}",
    ),
    "messaging_part": (
        "id, message_id, seq, connector_id, lane, status, attempts, hop, expires_at, provider_id, provider_key, "
        "error_code, possible_duplicate, matched_by, done_at",
        "{id}, {id}, 1, 1, 'bulk', 'DELIVERED', 0, 0, {at}, n::text, n::text, '', false, 'id', {at}",
    ),
    "messaging_attempt": (
        "id, part_id, message_id, number, connector_id, ended_at, outcome, error",
        "{id}, {id}, {id}, 1, 1, {at}, 'temporary', ''",
    ),
    "messaging_messageevent": ("id, message_id, at, kind, data", "{id}, {id}, {at}, 'dlr_conflict', '{{}}'"),
    "messaging_receipt": (
        "id, connector_id, carrier_account, provider_id, provider_key, state, part_id, matched_by, status, "
        "error_code, source, destination, submit_date, done_date, raw, received_at, tries",
        "{id}, 1, 'carrier', n::text, n::text, 'MATCHED', {id}, 'id', 'DELIVERED', '', '', '', '', '', "
        "repeat('0', 200), {at}, 0",
    ),
    "messaging_delivery": (
        "id, account_id, subject, kind, url, body, state, tries, last_error, created_at",
        "{id}, n % 50, {id}, 'dlr', 'https://x.example/', repeat('x', 200), 'DELIVERED', 1, '', {at}",
    ),
    "inbound_inboundmessage": (
        "id, connector_id, source, destination, content, encoding, udh, provider_id, raw, received_at",
        "{id}, 1, '971500000000', '12345', 'x', 'gsm7', '', '', '', {at}",
    ),
}


def _fill(months: list[tuple[int, int]], now: datetime) -> None:
    """Equally many rows in each month, in the present one before this hour."""
    starts = [datetime(year, month, 1, tzinfo=UTC) for year, month in months]
    spans = [(start, start + timedelta(days=27)) for start in starts]
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spans.append((begin, max(begin + timedelta(seconds=1), now - timedelta(hours=1))))
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for table, (columns, values) in _SOME.items():
            for low, high in spans:
                base, step = int(low.timestamp() * 1000), max(1, int((high - low).total_seconds() * 1000 / ROWS))
                ms = f"({base}::bigint + n * {step}::bigint)"
                chosen = values.format(id=_ID.format(ms=ms), at=f"to_timestamp({ms} / 1000.0)")
                cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM generate_series(1, {ROWS}) n")
            cursor.execute(f"ANALYZE {table}")
        cursor.execute("RESET statement_timeout")


# -- what a statement touches


@dataclass(frozen=True)
class Touch:
    """One scan of one partition that really ran."""

    sql: str
    table: str
    partition: str
    node: str
    index: str
    empty: bool


@contextmanager
def watching() -> Iterator[list[Touch]]:
    """The scans of traffic tables by what is executed inside."""
    seen: list[Touch] = []

    def explained(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)\b", sql) and any(table in sql for table in TABLES):
            seen.extend(_touches(sql, params, prepared=isinstance(context["cursor"].cursor, Prepared)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        yield seen


def _touches(sql: str, params: Any, *, prepared: bool) -> list[Touch]:
    # On the driver's cursor, beside Django's wrappers; what the statement does is undone before it is done.
    with connection.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT explained")
        named = _prepare(cursor, sql, params) if prepared else sql
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) {named}", params)
        plan = cursor.fetchone()[0]
        if prepared:
            cursor.execute("DEALLOCATE explained")
        cursor.execute("ROLLBACK TO SAVEPOINT explained")
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return [touch for node in _nodes(plan[0]["Plan"]) if (touch := _touch(sql, node)) is not None]


def _prepare(cursor: Any, sql: str, params: Any) -> str:
    """Prepare a hot statement as the driver does: its one plan is made before any value is known."""
    query = PostgresQuery(Transformer(connection.connection))
    query.convert(sql, params)
    kinds = [f"({kind}::oid)::regtype" for kind in query.types]
    cursor.execute(f"SELECT ARRAY[{', '.join(kinds)}]::text[]" if kinds else "SELECT ARRAY[]::text[]")
    names = [name if name != "-" else "unknown" for name in cursor.fetchone()[0]]
    declared = f"({', '.join(names)})" if names else ""
    cursor.execute(f"PREPARE explained {declared} AS ".encode() + query.query)
    return f"EXECUTE explained ({', '.join(['%s'] * len(names))})" if names else "EXECUTE explained"


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _touch(sql: str, node: dict[str, Any]) -> Touch | None:
    partition = node.get("Relation Name", "")
    table = partition.rpartition("_")[0]
    if table not in TABLES or not node["Actual Loops"] or not node["Node Type"].endswith("Scan"):
        return None
    indexes = [child.get("Index Name", "") for child in _nodes(node) if child.get("Index Name")]
    empty = node["Node Type"] == "Seq Scan" and not node["Actual Rows"] and not node.get("Rows Removed by Filter")
    return Touch(sql, table, partition, node["Node Type"], indexes[0] if indexes else "", empty)


def faults(seen: list[Touch]) -> list[str]:
    """What is wrong with these scans; `state` indexes may be asked in every month."""
    found = []
    touched: dict[tuple[str, str], set[str]] = defaultdict(set)
    for touch in seen:
        if touch.node == "Seq Scan" and not touch.empty:
            found.append(f"sequential scan of {touch.partition}: {touch.sql}")
        by_state = any(_of_index(touch, name) for name in BY_STATE)
        if not (by_state or touch.empty or touch.partition.endswith("_default")):
            touched[touch.sql, touch.table].add(touch.partition)
    for (sql, table), names in touched.items():
        if len(names) > 2:
            found.append(f"{len(names)} partitions of {table}: {sql}")
    return found


def _of_index(touch: Touch, name: str) -> bool:
    """Whether the partition's index is a piece of the named one: its name is made of the columns, so ask."""
    return touch.index in pieces(name)


_known: dict[str, set[str]] = {}


def pieces(name: str) -> set[str]:
    if name not in _known:
        with connection.connection.cursor() as cursor:
            cursor.execute(
                "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
                "JOIN pg_class parent ON parent.oid = inhparent WHERE parent.relname = %s",
                [name],
            )
            _known[name] = {row[0] for row in cursor.fetchall()}
    return _known[name]
