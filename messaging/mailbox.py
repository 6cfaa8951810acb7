"""The mailbox of client binds: receipts and texts wait as Delivery rows until a bound client has acknowledged them.

Several servers may serve one client: who holds a bind that can receive claims rows under a lease, which lasts as long
as it lives (`workers.holding`). What a server that died had claimed is free again, under the same id (design rules
P6, P7). A bell tells the servers that something has come; they look from time to time as well.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from common.bell import bell
from common.clock import utc_now
from common.ids import floor_at
from common.sql import dialect, hot
from common.transactions import retried
from messaging import delivery_results
from messaging.models import Delivery

# Seconds until somebody else may take what was claimed, unless the taker lives and lists its token (process_leases):
# how long what a server that died had in hand waits.
LEASE: Final = 5.0
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


def ring(client_ids: Collection[int]) -> None:
    """Something has come for these clients: their servers look at once. Call it after the commit."""
    if client_ids:
        bell("mailbox").ring(client_ids)


async def hear(heard: Callable[[list[int]], object]) -> None:
    """Hear of every ring until cancelled."""
    await bell("mailbox").hear(heard)


@retried()
def claim(*, token: int, room: Mapping[int, int]) -> list[Held]:
    """Claim what is due, oldest message first: at most `room[client]` rows of each client, under a new token."""
    wanted = sorted((client, rows) for client, rows in room.items() if rows > 0)
    if not wanted:
        return []
    d = dialect()
    with transaction.atomic(), hot() as cursor:
        chosen = _CHOOSE[connection.vendor](cursor, wanted)
        if not chosen:
            return []
        among, ids = d.keyed("id", chosen)
        cursor.execute(
            f"UPDATE {_TABLE} SET state = 'CLAIMED', token = %s, lease_until = {d.seconds_ahead()} "
            f"WHERE {among} AND state = 'PENDING' RETURNING id, smpp_client_id, kind, body, tries",
            [token, LEASE, *ids],
        )
        rows = cursor.fetchall()
    return sorted((Held(d.uuid(row[0]), token, *row[1:]) for row in rows), key=attrgetter("id"))


def _at_once(cursor: Any, wanted: Sequence[tuple[int, int]]) -> list[UUID]:
    """One statement for all clients: a walk along the index of each."""
    d = dialect()
    source, params = d.rows("v", (("v_client", "bigint"), ("v_room", "bigint")), wanted)
    cursor.execute(
        f"SELECT found.id FROM {source} CROSS JOIN LATERAL (SELECT id FROM {_TABLE} WHERE {_due('v_client')} "
        f"ORDER BY id LIMIT v_room {d.skip_locked}) AS found",
        [*params, _floor()],
    )
    return [row[0] for row in cursor.fetchall()]


def _one_by_one(cursor: Any, wanted: Sequence[tuple[int, int]]) -> list[UUID]:
    """SQLite has no LATERAL, and no way to go either."""
    d, chosen, floor = dialect(), [], _floor()
    for client, rows in wanted:
        cursor.execute(
            f"SELECT id FROM {_TABLE} WHERE {_due('%s')} ORDER BY id LIMIT %s",
            [client, floor, rows],
        )
        chosen += [d.uuid(row[0]) for row in cursor.fetchall()]
    return chosen


_CHOOSE: Final = {"postgresql": _at_once, "sqlite": _one_by_one}


def _due(client: str) -> str:
    """One client's rows that may be sent now; the floor keeps old partitions out."""
    due = f"(next_try_at IS NULL OR next_try_at <= (SELECT {dialect().now}))"
    return f"smpp_client_id = {client} AND state = 'PENDING' AND id >= %s AND {due}"


def _floor() -> Any:
    return dialect().value(floor_at(utc_now() - _REACH))


@retried()
def record(results: Sequence[Handed]) -> None:
    """Write how tries ended, in one statement; a lease that was lost changes nothing. What is due at once is told."""
    if not results:
        return
    now = utc_now()
    with transaction.atomic():
        delivery_results.write([_result(result, now) for result in results])
    ring(
        {result.held.smpp_client_id for result in results if result.state == Delivery.State.PENDING and not result.wait}
    )


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
            f"ORDER BY created_at LIMIT %s {d.skip_locked}",
            [d.value(old), limit],
        )
        among, ids = d.any_of("id", [d.uuid(row[0]) for row in cursor.fetchall()])
        cursor.execute(
            f"UPDATE {_TABLE} SET state = 'EXHAUSTED', done_at = {d.now}, last_error = 'not fetched within 7 days' "
            f"WHERE {among} AND state = 'PENDING'",
            ids,
        )
        return int(cursor.rowcount)
