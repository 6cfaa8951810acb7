"""Stored batches of the carriers' lines: what waits, and taking hold of it. By hand: every recording asks both."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.sql import dialect, hot
from messaging import rows
from messaging.models import LineBatch

_TABLE = LineBatch._meta.db_table
_FIELDS = "id, connector_id, bind_no, received_at, pdus"
_FRESH = "next_try_at IS NULL AND tries = 0"
Sized = tuple[UUID, int]
"""A batch's id and how many characters of hex it holds."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stored batch in our hands; `pdus` in hex."""

    id: UUID
    connector_id: int
    bind_no: int
    received_at: datetime
    pdus: list[str]


@dataclass(frozen=True, slots=True)
class Held:
    """Batches in the order in which they came, under our lock since the database's `now`.

    `alone`: no fresh batch that came before the last of them was in other hands, or left out.
    """

    batches: Sequence[Batch]
    now: datetime
    alone: bool


def named(batch_ids: Collection[UUID]) -> list[Sized]:
    """Those of the batches that are still there, the oldest first."""
    among, ids = dialect().any_of("id", batch_ids)
    return _sized(f"{among} ORDER BY id", ids)


def waiting(batch_ids: Collection[UUID], limit: int) -> list[Sized]:
    """The named batches that are still there and the fresh ones beside them, the oldest first, at most `limit`."""
    among, ids = dialect().any_of("id", batch_ids)
    return _sized(f"({_FRESH}) OR {among} ORDER BY id LIMIT %s", [*ids, limit])


def hold(batch_ids: Collection[UUID]) -> Held:
    """Lock these batches for this transaction; what somebody else holds is left out."""
    sql = dialect()
    among, ids = sql.any_of("id", batch_ids)
    statement = (
        f"SELECT {_FIELDS}, tries = 0 AND next_try_at IS NULL, {sql.now}, "
        f"(SELECT count(*) FROM {_TABLE} AS other WHERE {_FRESH} AND id <= %s) "
        f"FROM {_TABLE} WHERE {among} ORDER BY id {sql.skip_locked}"
    )
    with hot() as cursor:
        cursor.execute(statement, [sql.value(max(batch_ids)), *ids])
        found = cursor.fetchall()
    if not found:
        return Held([], rows.database_now(), alone=True)
    *_, now, fresh = found[-1]
    taken = [_batch(*row[:5]) for row in found]
    return Held(taken, _known(sql.moment(now)), alone=fresh == sum(row[5] for row in found))


def fresh_before(last: UUID, connector_ids: Collection[int]) -> list[Batch]:
    """What came over these connectors before this id and was not tried yet; without a lock."""
    sql = dialect()
    carried, lines = sql.any_of("connector_id", connector_ids, "bigint")
    with hot() as cursor:
        cursor.execute(
            f"SELECT {_FIELDS} FROM {_TABLE} WHERE id < %s AND {carried} AND {_FRESH}", [sql.value(last), *lines]
        )
        return [_batch(*row) for row in cursor.fetchall()]


def split(pdus: str) -> list[str]:
    """The PDUs of a row."""
    return pdus.split(",") if pdus else []


def _sized(rest: str, params: Sequence[object]) -> list[Sized]:
    sql = dialect()
    with hot() as cursor:
        cursor.execute(f"SELECT id, length(pdus) FROM {_TABLE} WHERE {rest}", params)
        return [(sql.uuid(key), size) for key, size in cursor.fetchall()]


def _batch(key: Any, connector_id: int, bind_no: int, received_at: Any, pdus: str) -> Batch:
    sql = dialect()
    return Batch(sql.uuid(key), connector_id, bind_no, _known(sql.moment(received_at)), split(pdus))


def _known(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment
