"""Keys under which a request happens once in 24 hours (reliability, design rule 3).

A key's row is written by the transaction that writes the messages, so whoever sees the key sees the answer.
Rows are always inserted in key order: two batches that share keys wait for each other, but never in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from common.errors import Code, Rejected
from common.ids import new_id
from common.sql import Cursor, dialect
from messaging.commands import Idempotency, Replay
from messaging.models import IdempotencyKey

Name = tuple[int, str]  # account id, key
RETRY_AFTER = 1.0  # seconds; a group commit takes milliseconds
_TABLE = IdempotencyKey._meta.db_table


@dataclass(frozen=True, slots=True)
class Answered:
    """What is stored under a key."""

    request_hash: str
    response: str


def name_of(key: Idempotency) -> Name:
    """The key within its account."""
    return key.account_id, key.key


def look_up(keys: Sequence[Idempotency]) -> dict[Name, Answered]:
    """The stored answers among the keys, by one statement; none for no keys."""
    if not keys:
        return {}
    source, params = dialect().rows(
        "asked", [("v_account", "bigint"), ("v_key", "text")], sorted({name_of(key) for key in keys})
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT account_id, key, request_hash, response FROM {_TABLE} "
            f"JOIN {source} ON account_id = v_account AND key = v_key",
            params,
        )
        return {(row[0], row[1]): Answered(row[2], row[3]) for row in cursor.fetchall()}


def answer(key: Idempotency, found: Answered | None) -> Replay | Rejected:
    """What a caller hears whose key somebody holds already; None: by a request that has not ended."""
    if found is None:
        return in_flight()
    if found.request_hash != key.request_hash:
        return Rejected(Code.IDEMPOTENCY_CONFLICT, "Idempotency-Key was used with another request")
    return Replay(found.response)


def in_flight() -> Rejected:
    """The first request under the key is still being worked on."""
    message = "A request with this Idempotency-Key is in progress"
    return Rejected(Code.IDEMPOTENCY_IN_FLIGHT, message, retry_after=RETRY_AFTER)


def claim(cursor: Cursor, keys: Iterable[Idempotency], now: datetime) -> dict[Name, UUID]:
    """Take the keys that nobody holds; returns the rows' ids. Waits for a transaction that is taking one."""
    rows = sorted((*name_of(key), key.request_hash, new_id(), now) for key in keys)
    if not rows:
        return {}
    columns = [
        ("v_account", "bigint"),
        ("v_key", "text"),
        ("v_hash", "text"),
        ("v_id", "uuid"),
        ("v_now", "timestamptz"),
    ]
    source, params = dialect().rows("taken", columns, rows)
    cursor.execute(
        f"INSERT INTO {_TABLE} (id, account_id, key, request_hash, response, created_at) "
        f"SELECT v_id, v_account, v_key, v_hash, '', v_now FROM {source} WHERE true ORDER BY v_account, v_key "
        "ON CONFLICT (account_id, key) DO NOTHING RETURNING id, account_id, key",
        params,
    )
    return {(row[1], row[2]): dialect().uuid(row[0]) for row in cursor.fetchall()}


def store(cursor: Cursor, responses: Mapping[UUID, str]) -> None:
    """Write the answers into the rows of claimed keys."""
    if not responses:
        return
    sql = dialect()
    source, params = sql.rows("answered", [("v_id", "uuid"), ("v_response", "text")], list(responses.items()))
    where, ids = sql.any_of("id", responses)
    cursor.execute(f"UPDATE {_TABLE} SET response = v_response FROM {source} WHERE id = v_id AND {where}", params + ids)


def give_back(cursor: Cursor, row_ids: Sequence[UUID]) -> None:
    """Delete claimed keys of requests that were refused: they wrote nothing, and may be tried again."""
    if row_ids:
        where, params = dialect().any_of("id", row_ids)
        cursor.execute(f"DELETE FROM {_TABLE} WHERE {where}", params)
