"""The mailbox of client binds: receipts and texts wait as Delivery rows until a bound client has acknowledged them.

Several servers may serve one client: who holds a bind that can receive claims rows under a lease. What a server that
died had claimed is free again when its lease has ended, under the same id (design rules P6, P7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from common.clock import utc_now
from common.ids import floor_at
from common.sql import dialect
from common.transactions import retried
from messaging import delivery_results
from messaging.models import Delivery

LEASE: Final = 60.0  # seconds; an answer may take half of it
KEPT: Final = timedelta(days=7)
# Seconds until an unanswered or put-off delivery is sent again; it doubles with every try.
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
# A delivery's id holds the moment of its message, which may have been scheduled long before it ended.
_REACH: Final = timedelta(days=60)
_TABLE: Final = Delivery._meta.db_table


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that this process may hand to the client until its lease ends."""

    id: UUID
    token: int
    smpp_client_id: int
    kind: str  # dlr, mo
    body: str
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Handed:
    """How a try ended. `state` DELIVERED or EXHAUSTED, or PENDING with the seconds until the next try."""

    held: Held
    state: str
    wait: float = 0.0
    status: int | None = None  # command_status of the answer, None without one
    error: str = ""
    tried: bool = True


def wait_after(tries: int) -> float:
    """Seconds before the try that follows `tries` unanswered ones (1 …)."""
    return min(FIRST_WAIT * 2.0 ** max(0, tries - 1), LONGEST_WAIT)


def with_mail(client_ids: Sequence[int]) -> list[int]:
    """Those clients for whom something is due."""
    if not client_ids:
        return []
    d = dialect()
    source, params = d.rows("v", (("v_client", "bigint"),), [(client,) for client in client_ids])
    sql = f"SELECT v_client FROM {source} WHERE EXISTS (SELECT 1 FROM {_TABLE} WHERE {_due('v_client')})"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, _floor()])
        return [int(row[0]) for row in cursor.fetchall()]


@retried()
def claim(*, token: int, room: Mapping[int, int]) -> list[Held]:
    """Claim what is due, oldest message first: at most `room[client]` rows of each client, under a new token."""
    d = dialect()
    with transaction.atomic(), connection.cursor() as cursor:
        chosen: list[UUID] = []
        for client in sorted(room):
            cursor.execute(
                f"SELECT id FROM {_TABLE} WHERE {_due('%s')} ORDER BY id LIMIT %s {d.skip_locked}",
                [client, _floor(), room[client]],
            )
            chosen += [d.uuid(row[0]) for row in cursor.fetchall()]
        if not chosen:
            return []
        among, ids = d.any_of("id", chosen)
        cursor.execute(
            f"UPDATE {_TABLE} SET state = 'CLAIMED', token = %s, lease_until = {d.seconds_ahead()} "
            f"WHERE {among} AND state = 'PENDING' RETURNING id, smpp_client_id, kind, body, tries, created_at",
            [token, LEASE, *ids],
        )
        rows = cursor.fetchall()
    return sorted((_held(row, token) for row in rows), key=lambda held: held.id)


def _due(client: str) -> str:
    """One client's rows that may be sent now; the floor keeps old partitions out."""
    due = f"(next_try_at IS NULL OR next_try_at <= (SELECT {dialect().now}))"
    return f"smpp_client_id = {client} AND state = 'PENDING' AND id >= %s AND {due}"


def _floor() -> Any:
    return dialect().value(floor_at(utc_now() - _REACH))


def _held(row: Sequence[Any], token: int) -> Held:
    d = dialect()
    key, client, kind, body, tries, created_at = row
    created = d.moment(created_at)
    assert created is not None
    return Held(d.uuid(key), token, client, kind, body, tries, created)


@retried()
def record(results: Sequence[Handed]) -> None:
    """Write how tries ended, in one statement; a lease that was lost changes nothing."""
    if not results:
        return
    now = utc_now()
    with transaction.atomic():
        delivery_results.write([_result(result, now) for result in results])


_LARGEST_CODE: Final = 32_767  # the column also holds HTTP codes


def _result(result: Handed, now: datetime) -> delivery_results.Row:
    pending = result.state == Delivery.State.PENDING
    following = now + timedelta(seconds=result.wait) if pending and result.wait else None
    code = result.status if result.status is not None and result.status <= _LARGEST_CODE else None
    tried = min(result.held.tries + result.tried, _LARGEST_CODE)
    done = None if pending else now
    return result.held.id, result.held.token, str(result.state), following, tried, code, result.error[:200], done


@retried()
def expire(limit: int = 1_000) -> int:
    """End what nobody fetched within seven days; returns how many."""
    d = dialect()
    old = utc_now() - KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {_TABLE} WHERE smpp_client_id IS NOT NULL AND state = 'PENDING' AND created_at < %s "
            f"ORDER BY id LIMIT %s {d.skip_locked}",
            [d.value(old), limit],
        )
        among, ids = d.any_of("id", [d.uuid(row[0]) for row in cursor.fetchall()])
        cursor.execute(
            f"UPDATE {_TABLE} SET state = 'EXHAUSTED', done_at = {d.now}, last_error = 'not fetched within 7 days' "
            f"WHERE {among} AND state = 'PENDING'",
            ids,
        )
        return int(cursor.rowcount)
