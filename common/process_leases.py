"""What a living process holds, told by one row that it extends: rows that it holds need no lease of their own to last.

A row that somebody takes has a short lease. While its taker lives and lists it here, the end of that lease means
nothing; when the taker dies, everything it held is free within the seconds for which it spoke last.
"""

import json
from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from common.models import ProcessLease
from common.sql import dialect
from common.transactions import retried

_TABLE = ProcessLease._meta.db_table
FORGOTTEN = 3600.0  # seconds after which the row of a dead process goes
_NUMBERS = {
    "postgresql": f"SELECT jsonb_array_elements_text(holds)::bigint FROM {_TABLE}",
    "sqlite": f"SELECT value FROM {_TABLE}, json_each(holds)",
}


@retried()
def hold(process: UUID, purpose: str, numbers: Iterable[int], *, seconds: float) -> None:
    """For so many seconds from now `process` holds exactly these numbers (of 63 bits)."""
    d = dialect()
    listed = "%s::jsonb" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_TABLE} (id, purpose, holds, expires_at) VALUES (%s, %s, {listed}, {d.seconds_ahead()}) "
            "ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, expires_at = excluded.expires_at",
            [d.value(process), purpose, json.dumps(sorted(numbers)), seconds],
        )


def let_go(process: UUID) -> None:
    """It holds nothing any more; rows of processes that died long ago go with it."""
    d = dialect()
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_TABLE} WHERE id = %s OR expires_at < {d.seconds_ahead()}", [d.value(process), -FORGOTTEN]
        )


def take_number(owner: int, purpose: str, number: int, *, seconds: float, rest: float) -> bool:
    """Take or extend number `number` for `owner`, in one statement; False while it is another's.

    A number rests for so many seconds after its lease has ended before another owner gets it.
    """
    d = dialect()
    listed, theirs = ("%s::jsonb", "%s::jsonb") if connection.vendor == "postgresql" else ("%s", "%s")
    mine = json.dumps([owner])
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_TABLE} (id, purpose, holds, expires_at) VALUES (%s, %s, {listed}, {d.seconds_ahead()}) "
            "ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, expires_at = excluded.expires_at "
            f"WHERE {_TABLE}.holds = {theirs} OR {_TABLE}.expires_at < {d.seconds_ahead()} RETURNING id",
            [d.value(UUID(int=number)), purpose, mine, seconds, mine, -rest],
        )
        return cursor.fetchone() is not None


def taken_numbers(purpose: str, *, rest: float) -> set[int]:
    """Numbers that are somebody's, or rest."""
    d = dialect()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {_TABLE} WHERE purpose = %s AND expires_at >= {d.seconds_ahead()}", [purpose, -rest]
        )
        return {d.uuid(row[0]).int for row in cursor.fetchall()}


def free_number(owner: int, number: int) -> None:
    """End the lease now, if it is this owner's."""
    d = dialect()
    theirs = "%s::jsonb" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_TABLE} SET expires_at = (SELECT {d.now}) WHERE id = %s AND holds = {theirs}",
            [d.value(UUID(int=number)), json.dumps([owner])],
        )


def held_sql(purpose: str) -> str:
    """SQL of a subquery: the numbers that living processes hold."""
    assert purpose.isalpha()
    return f"{_NUMBERS[connection.vendor]} WHERE purpose = '{purpose}' AND expires_at > (SELECT {dialect().now})"
