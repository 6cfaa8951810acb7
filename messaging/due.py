"""Which deliveries are due, read without claiming: the webhook loop chooses for which of them it has room.

The table is read in windows of bounded size, from the longest due to the newest and then again from the start:
a backlog of one dead endpoint, however long, makes no statement slow and hides no other endpoint for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from common.sql import dialect
from messaging.models import Delivery
from messaging.webhooks import EARLY, endpoint_of

WINDOW = 5_000  # rows that one statement may look at
_TABLE = Delivery._meta.db_table
_PATH = {
    "postgresql": "split_part(url, '?', 1)",
    "sqlite": "CASE instr(url, '?') WHEN 0 THEN url ELSE substr(url, 1, instr(url, '?') - 1) END",
}

Position = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is due now."""

    id: UUID
    account_id: int
    url: str

    @property
    def endpoint(self) -> str:
        """The URL without its query: what counts as one endpoint."""
        return endpoint_of(self.url)


@dataclass(frozen=True, slots=True)
class Skip:
    """For whom there is no room: endpoints; accounts but for `trusted` endpoints; all but those when `strangers`."""

    endpoints: Sequence[str] = ()
    accounts: Sequence[int] = ()
    strangers: bool = False
    trusted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """What a look at the table found; `end` is where the next one goes on, None at the end of what is due."""

    found: list[Due] = field(default_factory=list)
    end: Position | None = None


def named(ids: Sequence[UUID]) -> list[Due]:
    """Those of `ids` that are due, in the order of their ids."""
    d = dialect()
    among, params = d.any_of("id", ids)
    sql = (
        f"SELECT id, account_id, url FROM {_TABLE} WHERE {among} AND state = 'PENDING' AND url <> '' "
        f"AND next_try_at <= {d.seconds_ahead()} ORDER BY id"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, EARLY])
        return [Due(d.uuid(key), account_id, url) for key, account_id, url in cursor.fetchall()]


def scan(*, after: Position | None, skip: Skip, limit: int, window: int = WINDOW) -> Window:
    """At most `limit` due deliveries, longest due first, among the `window` rows that follow `after`."""
    sql, params = scan_sql(after, skip, limit, window)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    d = dialect()
    found = [Due(d.uuid(key), account_id, url) for key, account_id, url, *_ in rows if key is not None]
    if len(found) == limit:
        return Window(found, _position(rows[-1][3], rows[-1][0]))
    return Window(found, _position(rows[0][5], rows[0][6]) if rows[0][4] == window else None)


def _position(moment: Any, key: Any) -> Position | None:
    at = dialect().moment(moment)
    return (at, dialect().uuid(key)) if at is not None else None


def scan_sql(after: Position | None, skip: Skip, limit: int, window: int) -> tuple[str, list[Any]]:
    """The statement of `scan`; (SELECT now) because a bare clock_timestamp() cannot bound an index scan."""
    d = dialect()
    # The plain lower bound is for the index; the pair decides among equal times.
    beyond = "AND next_try_at >= %s AND (next_try_at, id) > (%s, %s)" if after else ""
    position = [d.value(after[0]), d.value(after[0]), d.value(after[1])] if after else []
    wanted, params = _wanted(skip)
    sql = f"""
        WITH due AS MATERIALIZED (
            SELECT id, account_id, url, next_try_at FROM {_TABLE}
            WHERE state = 'PENDING' AND url <> '' AND next_try_at <= (SELECT {d.now}) {beyond}
            ORDER BY next_try_at, id LIMIT %s),
        seen AS (SELECT count(*) AS rows_seen FROM due),
        ends AS (SELECT next_try_at AS end_at, id AS end_id FROM due ORDER BY next_try_at DESC, id DESC LIMIT 1),
        found AS (SELECT id, account_id, url, next_try_at FROM due WHERE {wanted} ORDER BY next_try_at, id LIMIT %s)
        SELECT id, account_id, url, next_try_at, rows_seen, end_at, end_id
        FROM seen LEFT JOIN ends ON true LEFT JOIN found ON true ORDER BY next_try_at, id"""
    return sql, [*position, window, *params, limit]


def _wanted(skip: Skip) -> tuple[str, list[Any]]:
    d, path = dialect(), _PATH[connection.vendor]
    clauses, params = ["true"], []
    if skip.endpoints:
        full, values = d.any_of(path, skip.endpoints, "text")
        clauses.append(f"NOT ({full})")
        params += values
    if skip.strangers or skip.accounts:
        known, values = d.any_of(path, skip.trusted, "text")
        clauses.append(f"({known})")
        params += values
    if skip.accounts and not skip.strangers:
        theirs, values = d.any_of("account_id", skip.accounts, "bigint")
        clauses[-1] = f"({clauses[-1]} OR NOT ({theirs}))"
        params += values
    return " AND ".join(clauses), params
