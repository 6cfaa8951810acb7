"""Batches in two dialects: many rows in, out or changed by one statement, on PostgreSQL and on SQLite.

Every hot statement of the gateway is written once with these pieces. Columns that a batch brings along are
named `v_…`, so that a plain column name in RETURNING means the table in both dialects.

`hot` is the cursor for statements of each batch: PostgreSQL parses and plans them once a connection, which was half
of what they cost. Their text must not depend on the data (arrays, not lists of marks), their ids bring their
range (`keyed`), and rows are matched by `rows` and `keyed` together, so that the one plan is good for 1 and for 500.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime

Row = tuple[Any, ...]
_JSON = frozenset({dict, list})  # types of Python that become JSON texts
FEW = 20  # rows up to which one statement of arrays is cheaper than COPY (measured, docs/performance.md)


class Cursor(Protocol):
    """What we use of a DB-API cursor."""

    rowcount: int

    def execute(self, sql: str, params: Sequence[Any] = ...) -> Any: ...
    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Any: ...
    def fetchall(self) -> list[Row]: ...
    def fetchone(self) -> Row | None: ...


def _array(values: Iterable[Any], kind: str) -> Any:
    """An array as a parameter, as PostgreSQL writes it: psycopg takes ten times as long for each value."""
    write = _WRITERS.get(kind)
    if write is None:
        return list(values)
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _hex(value: Any) -> str:
    return value.hex if isinstance(value, UUID) else UUID(value).hex


def _decimal(value: int) -> str:
    return str(int(value))


def _quoted(value: Any) -> str:
    text = str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "uuid": _hex, "bigint": _decimal, "integer": _decimal, "smallint": _decimal,
    "varchar": _quoted, "text": _quoted, "timestamptz": _quoted, "boolean": str,
}  # fmt: skip


class PostgreSQL:
    """COPY, unnest and arrays."""

    now = "clock_timestamp()"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    for_update = "FOR UPDATE"

    def seconds_ahead(self) -> str:
        """SQL for a moment `%s` seconds from the database's now."""
        return "clock_timestamp() + make_interval(secs => %s)"

    def seconds_until(self, column: str) -> str:
        """SQL for the seconds from the database's now to the moment in a column."""
        return f"extract(epoch FROM {column} - clock_timestamp())::float8"

    def value(self, value: Any) -> Any:
        """A Python value as a parameter."""
        return json.dumps(value) if isinstance(value, dict | list) else value

    def uuid(self, value: Any) -> UUID:
        """A UUID column's value as UUID."""
        return value  # type: ignore[no-any-return]

    def moment(self, value: Any) -> datetime | None:
        """A timestamp column's value as aware datetime."""
        return value  # type: ignore[no-any-return]

    def any_of(self, column: str, values: Iterable[Any], kind: str = "uuid") -> tuple[str, list[Any]]:
        """`column` equals one of the values."""
        return f"{column} = ANY(%s::{kind}[])", [_array(values, kind)]

    def keyed(self, column: str, ids: Collection[UUID]) -> tuple[str, list[Any]]:
        """The ids, at least one, of a table that may be partitioned: their range leaves out the other months."""
        within, ends = self.between(column, ids)
        return f"{column} = ANY(%s::uuid[]) AND {within}", [_array(ids, "uuid"), *ends]

    def between(self, column: str, ids: Collection[UUID]) -> tuple[str, list[Any]]:
        """From the least to the greatest of the ids, at least one."""
        return f"{column} >= %s::uuid AND {column} <= %s::uuid", [min(ids), max(ids)]

    def found_by(self, column: str, select: str) -> str:
        """`column` equals one of the few values that `select` finds; as a join it would compare each with each."""
        return f"{column} = ANY(ARRAY({select}))"

    def per_value(self, values: Iterable[Any], kind: str, select: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
        """What `select` finds where a column `= v_value`, before all of its parameters: one probe of an index a value.

        In a month without statistics (its first minutes) the planner would join by reading all of it: OFFSET 0
        keeps it from doing so (100 ms → 1 ms at 4,000 rows).
        """
        sql = f"SELECT found.* FROM unnest(%s::{kind}[]) AS v(v_value) CROSS JOIN LATERAL ({select} OFFSET 0) AS found"
        return sql, [_array(values, kind), *params]

    def rows(self, alias: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """A FROM item of the given rows; columns are (name, PostgreSQL type).

        Not unnest: of that the planner expects ten rows and compares each with each (500 rows: 20 ms instead of 9,
        most of which is the writing). Of a series it expects a thousand, and makes a hash table.
        """
        picks = ", ".join(f"(%s::{kind}[])[i] AS {name}" for name, kind in columns)
        lists = [_array((self.value(row[i]) for row in rows), kind) for i, (_, kind) in enumerate(columns)]
        return f"(SELECT {picks} FROM generate_series(1, %s::int) AS i) AS {alias}", [*lists, len(rows)]

    def insert(self, cursor: Any, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows by COPY; for a few rows one INSERT statement costs as much (measured at 16)."""
        if not rows:
            return
        # COPY fails when it ends, outside of Django's cursor: its errors must become Django's all the same.
        with (
            connection.wrap_database_errors,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                # To look at each value by itself costs as much as COPY; few rows hold what must become JSON.
                copy.write_row(row if _JSON.isdisjoint(map(type, row)) else [self.value(item) for item in row])

    def insert_few(self, cursor: Any, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> None:
        """Insert mostly one row, columns as in `rows`, by one statement: COPY takes three turns with the server."""
        if len(rows) > FEW:
            self.insert(cursor, table, [name for name, _ in columns], rows)
        elif rows:
            names = ", ".join(name for name, _ in columns)
            source, params = self.rows("v", [(f"v_{name}", kind) for name, kind in columns], rows)
            picked = ", ".join(f"v_{name}" for name, _ in columns)
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {picked} FROM {source}", params)


class SQLite:
    """json_each and executemany; writers are serialised by the IMMEDIATE transaction."""

    now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
    skip_locked = ""
    for_update = ""

    def seconds_ahead(self) -> str:
        """SQL for a moment `%s` seconds from the database's now."""
        return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', (%s) || ' seconds')"

    def seconds_until(self, column: str) -> str:
        """SQL for the seconds from the database's now to the moment in a column."""
        return f"(julianday({column}) - julianday('now')) * 86400.0"

    def value(self, value: Any) -> Any:
        """A Python value in the form in which Django keeps it in SQLite."""
        if isinstance(value, UUID):
            return value.hex
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        if isinstance(value, Decimal):
            return str(value)
        return json.dumps(value) if isinstance(value, dict | list) else value

    def uuid(self, value: Any) -> UUID:
        """A UUID column's value as UUID."""
        return value if isinstance(value, UUID) else UUID(value)

    def moment(self, value: Any) -> datetime | None:
        """A timestamp column's value as aware datetime."""
        # Django's converter gives naive datetimes for declared columns; expressions come as text.
        parsed = parse_datetime(value) if isinstance(value, str) else value
        return parsed.replace(tzinfo=UTC) if parsed else None

    def any_of(self, column: str, values: Iterable[Any], kind: str = "uuid") -> tuple[str, list[Any]]:
        """`column` equals one of the values."""
        listed = json.dumps([self.value(value) for value in values])
        return f"{column} IN (SELECT value FROM json_each(%s))", [listed]

    def keyed(self, column: str, ids: Collection[UUID]) -> tuple[str, list[Any]]:
        """The ids, at least one."""
        return self.any_of(column, ids)

    def between(self, column: str, ids: Collection[UUID]) -> tuple[str, list[Any]]:
        """From the least to the greatest of the ids, at least one."""
        return f"{column} >= %s AND {column} <= %s", [self.value(min(ids)), self.value(max(ids))]

    def found_by(self, column: str, select: str) -> str:
        """`column` equals one of the values that `select` finds."""
        return f"{column} IN ({select})"

    def per_value(self, values: Iterable[Any], kind: str, select: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
        """What `select` finds for the values; its first parameter in effect, written `= v_value`."""
        listed = json.dumps([self.value(value) for value in values])
        return select.replace("= v_value", "IN (SELECT value FROM json_each(%s))"), [listed, *params]

    def rows(self, alias: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """A FROM item of the given rows; columns are (name, PostgreSQL type)."""
        picks = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, (name, _) in enumerate(columns))
        listed = json.dumps([[self.value(item) for item in row] for row in rows])
        return f"(SELECT {picks} FROM json_each(%s)) AS {alias}", [listed]

    def insert(self, cursor: Any, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows by one prepared statement."""
        if not rows:
            return
        marks = ", ".join(["%s"] * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        cursor.executemany(sql, [tuple(self.value(item) for item in row) for row in rows])

    def insert_few(self, cursor: Any, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> None:
        """As `insert`."""
        self.insert(cursor, table, [name for name, _ in columns], rows)


Dialect = PostgreSQL | SQLite
_POSTGRESQL, _SQLITE = PostgreSQL(), SQLite()


def dialect() -> Dialect:
    """The dialect of the default database."""
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


def hot() -> Any:
    """A cursor (a context manager) for statements that each batch runs; everything else takes connection.cursor()."""
    hot_cursor = getattr(connection, "hot_cursor", connection.cursor)
    return hot_cursor()
