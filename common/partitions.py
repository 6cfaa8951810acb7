"""Tables that grow with traffic: on PostgreSQL partitioned by month on their UUIDv7 key (architecture 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.migrations.operations import CreateModel

from common.ids import floor_at, moment

MONTHS_AHEAD = 3
_STORAGE = "WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)"


@dataclass(frozen=True, slots=True)
class Partition:
    """A month's piece of a table, or its DEFAULT (month None)."""

    table: str
    name: str
    month: tuple[int, int] | None
    rows: int  # as of the last ANALYZE; -1: never
    octets: int  # with its indexes


class CreatePartitionedModel(CreateModel):
    """CreateModel whose table is PARTITION BY RANGE (id) on PostgreSQL and a plain table elsewhere."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the table, its DEFAULT partition and those of this month and the next three."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        plain = schema_editor.sql_create_table
        schema_editor.sql_create_table = plain + ' PARTITION BY RANGE ("id")'
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        table = to_state.apps.get_model(app_label, self.name)._meta.db_table
        schema_editor.execute(f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT')
        for year, month in months_from(datetime.now(UTC), MONTHS_AHEAD + 1):
            schema_editor.execute(partition_sql(table, year, month))


def months_from(start: datetime, count: int) -> list[tuple[int, int]]:
    """`count` (year, month) pairs beginning with the month of `start`."""
    first = start.year * 12 + start.month - 1
    return [((first + i) // 12, (first + i) % 12 + 1) for i in range(count)]


def partition_sql(table: str, year: int, month: int) -> str:
    """DDL of one month's partition; HOT updates need room in the page, and dead rows come by the batch."""
    low, high = _bounds(year, month)
    return (
        f'CREATE TABLE IF NOT EXISTS "{table}_{year:04d}{month:02d}" PARTITION OF "{table}" '
        f"FOR VALUES FROM ('{low}') TO ('{high}') {_STORAGE}"
    )


def next_month(year: int, month: int) -> tuple[int, int]:
    """The month that follows."""
    return (year + month // 12, month % 12 + 1)


def _bounds(year: int, month: int) -> tuple[UUID, UUID]:
    """The first id of the month and the first one after it."""
    low, high = (floor_at(datetime(y, m, 1, tzinfo=UTC)) for y, m in ((year, month), next_month(year, month)))
    return low, high


def missing_months(*, now: datetime, ahead: int = 1) -> list[str]:
    """The partitions of this month and `ahead` more that no partitioned table may lack, and one lacks."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT parent.relname FROM pg_partitioned_table JOIN pg_class AS parent ON parent.oid = partrelid "
            "WHERE pg_table_is_visible(parent.oid)"
        )
        tables = [row[0] for row in cursor.fetchall()]
        wanted = [f"{table}_{year:04d}{month:02d}" for table in tables for year, month in months_from(now, ahead + 1)]
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NULL", [wanted]
        )
        return sorted(row[0] for row in cursor.fetchall())


def homeless(*, now: datetime) -> list[str]:
    """Partitioned tables that cannot take a row of `now`: neither its month nor DEFAULT is there."""
    if connection.vendor != "postgresql":
        return []
    ((year, month),) = months_from(now, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT parent.relname FROM pg_partitioned_table JOIN pg_class AS parent ON parent.oid = partrelid "
            "WHERE pg_table_is_visible(parent.oid) AND partdefid = 0 AND NOT EXISTS (SELECT 1 FROM pg_inherits "
            "WHERE inhparent = parent.oid AND inhrelid = to_regclass(quote_ident(parent.relname || %s))) ORDER BY 1",
            [f"_{year:04d}{month:02d}"],
        )
        return [row[0] for row in cursor.fetchall()]


def ensure_months(table: str, *, now: datetime, ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make the partitions of this month and `ahead` more; returns the names that were missing."""
    return _make_all(table, months_from(now, ahead + 1))


def rescue_strays(table: str) -> list[str]:
    """Give rows that fell into DEFAULT the months that they lack; returns the names of these."""
    return _make_all(table, stray_months(table))


def stray_months(table: str) -> list[tuple[int, int]]:
    """Months of the rows in DEFAULT; none elsewhere than on PostgreSQL."""
    found: list[tuple[int, int]] = []
    low = UUID(int=0)
    while connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT id FROM "{table}_default" WHERE id >= %s ORDER BY id LIMIT 1', [low])
            row = cursor.fetchone()
        if row is None:
            break
        drawn = moment(row[0])
        found.append((drawn.year, drawn.month))
        _, low = _bounds(*found[-1])
    return found


def _make_all(table: str, months: list[tuple[int, int]]) -> list[str]:
    if connection.vendor != "postgresql":
        return []
    return [f"{table}_{year:04d}{month:02d}" for year, month in months if _make(table, year, month)]


def _make(table: str, year: int, month: int) -> bool:
    name = f"{table}_{year:04d}{month:02d}"
    low, high = _bounds(year, month)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NULL", [f'"{name}"'])
        if not _told(cursor):
            return False
        cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}_default" WHERE id >= %s AND id < %s)', [low, high])
        if not _told(cursor):
            cursor.execute(partition_sql(table, year, month))
            return True
        # A month whose rows lie in DEFAULT cannot simply be made: they move first, while nobody adds to them.
        cursor.execute(f'LOCK TABLE "{table}_default" IN ACCESS EXCLUSIVE MODE')
        cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL) {_STORAGE}')
        cursor.execute(
            f'WITH moved AS (DELETE FROM "{table}_default" WHERE id >= %s AND id < %s RETURNING *) '
            f'INSERT INTO "{name}" SELECT * FROM moved',
            [low, high],
        )
        cursor.execute(f"ALTER TABLE \"{table}\" ATTACH PARTITION \"{name}\" FOR VALUES FROM ('{low}') TO ('{high}')")
    return True


def tables() -> list[str]:
    """The partitioned tables of this database; none elsewhere than on PostgreSQL."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace "
            "ORDER BY relname"
        )
        return [row[0] for row in cursor.fetchall()]


def listed() -> list[Partition]:
    """Every partition of every table, by table and month; DEFAULT comes last of its table."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT parent.relname, child.relname, child.reltuples::bigint, pg_total_relation_size(child.oid) "
            "FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = "
            "inhparent WHERE parent.relkind = 'p' AND parent.relnamespace = current_schema()::regnamespace "
            "ORDER BY 1, 2"
        )
        return [Partition(table, name, _month_of(name), rows, octets) for table, name, rows, octets in cursor]


def drop(name: str, *, unless: Sequence[str] = ()) -> str:
    """Drop a partition unless some row of it meets one of the SQL conditions; returns the one that holds it, or "".

    Rows are looked at under a lock that lets nobody change them. The lock on the whole table, behind which traffic
    would queue, is waited for a quarter of a second. Raises OperationalError (55P03) when a lock was not to be had.
    """
    # One statement, so that a crash leaves nothing behind; DETACH CONCURRENTLY is refused where there is a DEFAULT.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1500ms'")  # an autovacuum gives way after one second
        cursor.execute(f'LOCK TABLE "{name}" IN SHARE MODE')
        held = holding(name, unless)
        if not held:
            cursor.execute("SET LOCAL lock_timeout = '250ms'")
            cursor.execute(f'DROP TABLE "{name}"')
    return held


def holding(name: str, conditions: Sequence[str]) -> str:
    """The first of the SQL conditions that some row of the partition meets; "" when none."""
    with connection.cursor() as cursor:
        for condition in conditions:
            cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}" WHERE {condition})')
            if _told(cursor):
                return condition
    return ""


def _told(cursor: Any) -> bool:
    row = cursor.fetchone()
    return bool(row and row[0])


def _month_of(name: str) -> tuple[int, int] | None:
    digits = name.rpartition("_")[2]
    return (int(digits[:4]), int(digits[4:])) if len(digits) == 6 and digits.isdigit() else None
