"""Deliveries to webhooks: claims with a lease, results in batches, the schedule, dead letters and their replay.

Schedule and promise: design rule P8 (at least once for three days, one event id, one bad endpoint delays nobody).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from accounts.models import ApiClient, WebhookEndpoint
from common.clock import utc_now
from common.jobs import Job, enqueue
from common.queues import Work
from common.sql import dialect
from messaging.models import Delivery, DeliveryAttempt

DELIVER = Job("messaging.deliver", Work.DELIVERIES)
LEASE = 60  # seconds; a try takes at most 10 and waits at most 30 for its endpoint
GONE = 410  # the endpoint says that it is no more: stop at once
JITTER = 0.2
_TABLE = Delivery._meta.db_table


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process may post until its lease ends."""

    id: UUID
    token: int
    url: str
    body: str
    tries: int
    secret: str


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


def claim(*, token: int, limit: int, ids: Sequence[UUID] | None = None, saturated: Sequence[str] = ()) -> list[Claimed]:
    """Claim due deliveries: those named, or the longest due; never of a `saturated` URL when from the table."""
    sql, params = _claim_sql(token, limit, ids, saturated)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    secrets = _secrets(rows)
    to_uuid = dialect().uuid
    return [Claimed(to_uuid(row[0]), token, row[1], row[2], row[3], secrets.get((row[4], row[5]), "")) for row in rows]


def _claim_sql(token: int, limit: int, ids: Sequence[UUID] | None, saturated: Sequence[str]) -> tuple[str, list[Any]]:
    d = dialect()
    where, params = f"state = 'PENDING' AND url <> '' AND next_try_at <= {d.now}", []
    if ids is not None:
        among, params = d.any_of("id", ids)
        where += f" AND {among}"
    elif saturated:
        among, params = d.any_of("url", saturated, "text")
        where += f" AND NOT ({among})"
    order = "id" if ids is not None else "next_try_at"
    sql = (
        f"UPDATE {_TABLE} SET state = 'CLAIMED', token = %s, lease_until = {d.seconds_ahead()} WHERE id IN "
        f"(SELECT id FROM {_TABLE} WHERE {where} ORDER BY {order} LIMIT %s {d.skip_locked}) "
        "RETURNING id, url, body, tries, api_client_id, endpoint_id"
    )
    return sql, [token, LEASE, *params, limit]


def _secrets(rows: Sequence[tuple[Any, ...]]) -> dict[tuple[int | None, int | None], str]:
    """The signing secret of each (client, endpoint) pair: the endpoint's own, else the client's."""
    clients = dict(ApiClient.objects.filter(pk__in={row[4] for row in rows}).values_list("pk", "webhook_secret"))
    points = dict(WebhookEndpoint.objects.filter(pk__in={row[5] for row in rows}).values_list("pk", "secret"))
    return {(row[4], row[5]): points.get(row[5]) or clients.get(row[4]) or "" for row in rows}


def record(results: Sequence[Posted]) -> None:
    """Write how tries ended: DELIVERED, PENDING with the next date, or EXHAUSTED. Lost leases change nothing."""
    d, now = dialect(), utc_now()
    rows = [_row(result, now) for result in sorted(results, key=lambda result: result.claimed.id)]
    columns = [
        ("v_id", "uuid"), ("v_token", "bigint"), ("v_state", "text"), ("v_next", "timestamptz"),
        ("v_code", "smallint"), ("v_error", "text"), ("v_done", "timestamptz"),
    ]  # fmt: skip
    source, params = d.rows("v", columns, rows)
    among, ids = d.any_of("id", [row[0] for row in rows])
    sql = (
        f"UPDATE {_TABLE} SET state = v_state, tries = tries + 1, next_try_at = v_next, last_code = v_code, "
        f"last_error = v_error, done_at = v_done, lease_until = NULL FROM {source} "
        f"WHERE {among} AND id = v_id AND token = v_token AND state = 'CLAIMED' RETURNING id"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [*params, *ids])
        won = {d.uuid(row[0]) for row in cursor.fetchall()}
        _keep_failures([result for result in results if result.claimed.id in won and not result.taken])


def _row(result: Posted, now: datetime) -> tuple[Any, ...]:
    following = None if result.taken else next_try(result.claimed.tries, result.code, now)
    state = "DELIVERED" if result.taken else "PENDING" if following else "EXHAUSTED"
    done = None if following else now
    return (result.claimed.id, result.claimed.token, state, following, result.code, result.error[:200], done)


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


def give_back(claimed: Sequence[Claimed], *, seconds: float) -> None:
    """Return deliveries that were not tried; they are due again in `seconds`."""
    if claimed:
        Delivery.objects.filter(
            pk__in=[item.id for item in claimed], token=claimed[0].token, state=Delivery.State.CLAIMED
        ).update(state=Delivery.State.PENDING, lease_until=None, next_try_at=utc_now() + timedelta(seconds=seconds))


def release_stale(limit: int = 1000) -> int:
    """Deliveries whose lease ended (their process died) are due at once; how many."""
    d = dialect()
    sql = (
        f"UPDATE {_TABLE} SET state = 'PENDING', lease_until = NULL, next_try_at = {d.now} WHERE id IN "
        f"(SELECT id FROM {_TABLE} WHERE state = 'CLAIMED' AND lease_until < {d.now} LIMIT %s {d.skip_locked})"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [limit])
        return int(cursor.rowcount)


def replay(
    *, ids: Sequence[UUID] = (), account_id: int | None = None, since: datetime | None = None, limit: int = 10_000
) -> int:
    """Send dead letters again with the same event ids and a fresh schedule; returns how many."""
    dead = Delivery.objects.filter(state=Delivery.State.EXHAUSTED)
    if ids:
        dead = dead.filter(pk__in=ids)
    if account_id is not None:
        dead = dead.filter(account_id=account_id)
    if since is not None:
        dead = dead.filter(created_at__gte=since)
    chosen = list(dead.order_by("id").values_list("pk", flat=True)[:limit])
    with transaction.atomic():
        count = Delivery.objects.filter(pk__in=chosen, state=Delivery.State.EXHAUSTED).update(
            state=Delivery.State.PENDING, tries=0, next_try_at=utc_now(), done_at=None
        )
        enqueue(DELIVER, ids=[str(pk) for pk in chosen])
    return count
