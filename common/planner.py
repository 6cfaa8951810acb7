"""Statistics of young tables: a table must not be read as it was read when it was empty.

A hot statement is planned once a connection (common.postgresql). For an empty month PostgreSQL picks a scan of the
whole table, or of an index that has the id in second place, and keeps that plan until somebody analyses the table:
autovacuum, within a minute if it is not busy elsewhere, by which time a fast gateway has written 100,000 rows and reads
each of them for every batch. ANALYZE makes every session plan anew.
"""

from django.db import DatabaseError, connection, transaction

SMALLEST = 64  # pages; reading all of fewer costs less than a plan
GROWTH = 4  # times the size that the planner knows
_PATIENCE = "60s"  # ANALYZE reads at most 30,000 pages of a table, however large
_GROWN = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relpersistence = 'p'
      AND pg_relation_size(oid) >= current_setting('block_size')::bigint * greatest(%s, %s * relpages::bigint)
    ORDER BY relname"""


def grown() -> list[str]:
    """Tables that are GROWTH times as large as the planner takes them for; none elsewhere than on PostgreSQL."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_GROWN, [SMALLEST, GROWTH])
        return [row[0] for row in cursor.fetchall()]


def look_again() -> list[str]:
    """Analyse what has grown, each table by itself; returns their names. What autovacuum has in hand is passed over.

    Raises what failed as one group, when all others are done.
    """
    names, errors = grown(), []
    for name in names:
        try:
            _analyse(name)
        except DatabaseError as error:  # raised below, with the others
            errors.append(error)
    if errors:
        raise ExceptionGroup("tables that were not analysed", errors)
    return names


def _analyse(name: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{_PATIENCE}'")
        cursor.execute(f'ANALYZE (SKIP_LOCKED) "{name}"')
