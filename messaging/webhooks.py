"""Deliveries to webhooks: claims with a lease, results in batches, and the schedule of tries.

A new delivery is born claimed, under a token that only its hint names: who gets the hint need not write a claim.
Schedule and promise: design rule P8 (at least once for three days, one event id, one bad endpoint delays nobody).
What is due is found by `messaging.due`; what was given up, by `messaging.dead_letters`.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from common import process_leases
from common.clock import utc_now
from common.crash import point
from common.jobs import Job
from common.queues import Work
from common.sql import dialect, hot
from common.transactions import retried
from messaging import delivery_results
from messaging.models import Delivery, DeliveryAttempt
from messaging.signers import secrets_of

log = structlog.get_logger(__name__)

DELIVER = Job("messaging.deliver", Work.DELIVERIES)
# Seconds until somebody else may take what was claimed, unless the taker lives and lists its token (process_leases):
# how late a first try is when its hint is lost, or its process dies.
LEASE = 5
BORN_LEASE = 5
PURPOSE = "deliveries"
HOLD = 5.0  # seconds for which a process speaks at once
EARLY = 0.25  # seconds by which a named delivery may come early: clocks differ, SQLite's counts milliseconds
GONE = 410  # the endpoint says that it is no more: stop at once
JITTER = 0.2
_TABLE = Delivery._meta.db_table


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process may post until its lease ends; `secret` is empty when nothing signs it."""

    id: UUID
    token: int
    account_id: int
    url: str
    body: str
    tries: int
    secret: str
    seconds: float = LEASE  # left of the lease when it was read

    @property
    def endpoint(self) -> str:
        """The URL without its query: what counts as one endpoint."""
        return endpoint_of(self.url)


def endpoint_of(url: str) -> str:
    """A URL without its query."""
    return url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Posted:
    """How a try ended; `code` is the HTTP status, None when there was none."""

    claimed: Claimed
    code: int | None
    error: str
    milliseconds: int
    at: datetime

    @property
    def taken(self) -> bool:
        """The customer has it."""
        return self.code is not None and 200 <= self.code < 300


@retried()
def claim(*, token: int, ids: Sequence[UUID]) -> list[Claimed]:
    """Claim those of `ids` that are due and nobody else has; `token` must be new for each call."""
    if not ids:
        return []
    d = dialect()
    among, listed = d.any_of("id", ids)
    # MATERIALIZED, and the ids once more: else the plan looks into every partition for each row.
    sql = f"""
        WITH picked AS MATERIALIZED (
            SELECT id AS v_id FROM {_TABLE}
            WHERE {among} AND state = 'PENDING' AND url <> '' AND next_try_at <= {d.seconds_ahead()}
            ORDER BY id {d.skip_locked})
        UPDATE {_TABLE} SET state = 'CLAIMED', token = %s, lease_until = {d.seconds_ahead()}
        FROM picked WHERE id = v_id AND {among} AND state = 'PENDING'
        RETURNING id, account_id, url, body, tries, api_client_id, endpoint_id"""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [*listed, EARLY, token, LEASE, *listed])
        rows = cursor.fetchall()
    return _claimed([(*row, token, LEASE) for row in rows])


def new_token() -> int:
    """A number that no other claim has: 62 random bits."""
    return random.getrandbits(62)  # nobody gains by guessing it


def born(hinted: Sequence[tuple[UUID, int]]) -> list[Claimed]:
    """Those (id, token) that are as they were born: claimed for the one whom their hint reached. Writes nothing.

    The caller posts them within their lease, or gives them back. A hint that comes twice may be posted twice.
    """
    if not hinted:
        return []
    d = dialect()
    source, params = d.rows("v", (("v_id", "uuid"), ("v_token", "bigint")), hinted)
    among, ids = d.keyed("id", [key for key, _ in hinted])
    sql = (
        f"SELECT id, account_id, url, body, tries, api_client_id, endpoint_id, token, {d.seconds_until('lease_until')} "
        f"FROM {_TABLE} JOIN {source} ON id = v_id AND token = v_token WHERE {among} AND state = 'CLAIMED'"
    )
    with hot() as cursor:
        cursor.execute(sql, [*params, *ids])
        return _claimed(cursor.fetchall())


def _claimed(rows: Sequence[tuple[Any, ...]]) -> list[Claimed]:
    d, secrets = dialect(), secrets_of({(row[5], row[6]) for row in rows})
    found = [
        Claimed(d.uuid(key), token, account_id, url, body, tries, secrets[client_id, endpoint_id], seconds)
        for key, account_id, url, body, tries, client_id, endpoint_id, token, seconds in rows
    ]
    return sorted(found, key=lambda item: item.id)


@retried()
def record(results: Sequence[Posted]) -> None:
    """Write how tries ended: DELIVERED, PENDING with the next date, or EXHAUSTED. Lost leases change nothing."""
    if not results:
        return
    point("webhook-taken-before-record")
    now = utc_now()
    with transaction.atomic():
        won = delivery_results.write([_row(result, now) for result in results])
        _keep_failures([result for result in results if result.claimed.id in won and not result.taken])
    dead = [str(key) for key, state in won.items() if state == Delivery.State.EXHAUSTED]
    if dead:
        log.error("deliveries_exhausted", count=len(dead), ids=dead[:20])


def _row(result: Posted, now: datetime) -> delivery_results.Row:
    following = None if result.taken else next_try(result.claimed.tries, result.code, now)
    state = Delivery.State.PENDING if following else Delivery.State.EXHAUSTED
    if result.taken:
        state = Delivery.State.DELIVERED
    done = None if following else now
    claimed = result.claimed
    tried = claimed.tries + 1
    return claimed.id, claimed.token, state.value, following, tried, result.code, result.error[:200], done


def next_try(tries: int, code: int | None, now: datetime) -> datetime | None:
    """When to try again after the failed try number `tries` (0 …), with ±20 % jitter; None: give up."""
    schedule = settings.DELIVERY_SCHEDULE_SECONDS
    if code == GONE or tries + 1 >= len(schedule):
        return None
    wait = schedule[tries + 1] * settings.DELIVERY_SCHEDULE_SCALE
    return now + timedelta(seconds=wait * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret


def _keep_failures(results: Sequence[Posted]) -> None:
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            delivery_id=result.claimed.id,
            number=result.claimed.tries + 1,
            at=result.at,
            code=result.code,
            error=result.error[:200],
            milliseconds=result.milliseconds,
        )
        for result in results
    )


@retried()
def give_back(claimed: Sequence[Claimed]) -> int:
    """Return deliveries that were not tried: due at once, no try used up. Returns how many were still ours."""
    if not claimed:
        return 0
    d = dialect()
    source, params = d.rows("v", (("v_id", "uuid"), ("v_token", "bigint")), [(c.id, c.token) for c in claimed])
    among, ids = d.any_of("id", [item.id for item in claimed])
    sql = (
        f"UPDATE {_TABLE} SET state = 'PENDING', lease_until = NULL FROM {source} "
        f"WHERE {among} AND id = v_id AND token = v_token AND state = 'CLAIMED'"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [*params, *ids])
        return int(cursor.rowcount)


def hold(process: UUID, tokens: Iterable[int]) -> None:
    """`process` lives, and has deliveries in hand that were claimed under these tokens."""
    process_leases.hold(process, PURPOSE, tokens, seconds=HOLD)


@retried()
def release_stale(limit: int = 1000) -> int:
    """Deliveries whose lease ended and whose token no living process lists are due at once; how many."""
    d = dialect()
    stale = (
        f"SELECT id FROM {_TABLE} WHERE state = 'CLAIMED' AND lease_until < (SELECT {d.now}) "
        f"AND COALESCE(token, 0) NOT IN ({process_leases.held_sql(PURPOSE)}) "
        f"ORDER BY lease_until LIMIT %s {d.skip_locked}"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(stale, [limit])
        among, ids = d.any_of("id", [d.uuid(row[0]) for row in cursor.fetchall()])
        cursor.execute(f"UPDATE {_TABLE} SET state = 'PENDING', lease_until = NULL WHERE {among}", ids)
        return int(cursor.rowcount)
