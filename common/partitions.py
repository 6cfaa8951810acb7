"""Tables that grow with traffic: on PostgreSQL partitioned by month on their UUIDv7 key (architecture 6)."""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.migrations.operations import CreateModel

from common.ids import floor_at

MONTHS_AHEAD = 3


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
    following = (year + month // 12, month % 12 + 1)
    low, high = (floor_at(datetime(y, m, 1, tzinfo=UTC)) for y, m in ((year, month), following))
    return (
        f'CREATE TABLE IF NOT EXISTS "{table}_{year:04d}{month:02d}" PARTITION OF "{table}" '
        f"FOR VALUES FROM ('{low}') TO ('{high}') "
        "WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)"
    )


def ensure_months(table: str, *, now: datetime, ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make the partitions of this month and `ahead` more; returns the names that were missing."""
    if connection.vendor != "postgresql":
        return []
    made = []
    with connection.cursor() as cursor:
        for year, month in months_from(now, ahead + 1):
            name = f"{table}_{year:04d}{month:02d}"
            cursor.execute("SELECT to_regclass(%s) IS NULL", [f'"{name}"'])
            row = cursor.fetchone()
            if row and row[0]:
                cursor.execute(partition_sql(table, year, month))
                made.append(name)
    return made
