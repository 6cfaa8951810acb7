"""The clock and the workers, told by what they leave lying: how long the oldest row of each kind waits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from common.ids import moment
from common.sql import dialect
from connectors.models import BindState, Connector
from gateway_project.doctor.findings import Finding, ago, fail, ok, warn
from messaging.receipts import TRIES
from messaging.rows import database_now

_BEAT = "start the processes beat and worker (make up, or their lines of the Procfile)"
_LETTERS = "start the process deliveries"
DEAD_COUNTED = 1000
LONG = 60.0  # seconds a queued part may wait for a bound line before somebody should know


@dataclass(frozen=True, slots=True)
class Overdue:
    """`oldest` is a SELECT of the moment since which a row waits; beyond `limit` seconds somebody is missing."""

    what: str
    oldest: str
    limit: float
    do: str


OVERDUE: Sequence[Overdue] = (
    Overdue("a hint for a queue", "SELECT min(created_at) FROM messaging_outboxbatch", 10, _BEAT),
    Overdue(
        "a message whose date has come",
        "SELECT min(send_at) FROM messaging_part WHERE status = 'SCHEDULED' "
        "AND (expires_at IS NULL OR expires_at > {now})",
        10,
        _BEAT,
    ),
    Overdue(
        "a message in doubt",
        "SELECT min(uncertain_until) FROM messaging_part WHERE status = 'UNCERTAIN'",
        10,
        _BEAT,
    ),
    Overdue(
        "a message whose validity is over",
        "SELECT min(expires_at) FROM messaging_part WHERE status IN ('SCHEDULED', 'QUEUED')",
        60,
        _BEAT,
    ),
    Overdue(
        "what a carrier said",
        "SELECT min(received_at) FROM messaging_linebatch WHERE tries = 0",
        10,
        _BEAT,
    ),
    Overdue(
        "a webhook that is due",
        "SELECT min(next_try_at) FROM messaging_delivery WHERE state = 'PENDING' AND url <> ''",
        60,
        f"{_LETTERS}; if it runs, an endpoint takes less than it is sent",
    ),
    Overdue(
        "a webhook whose process died",
        "SELECT min(lease_until) FROM messaging_delivery WHERE state = 'CLAIMED'",
        60,  # a slow endpoint holds what it has in hand for half of that
        _BEAT,
    ),
    Overdue("an old idempotency key", "SELECT min(created_at) FROM messaging_idempotencykey", 25 * 3600, _BEAT),
)


def look() -> Iterator[Finding]:
    """What waits for too long, and what was given up."""
    now = database_now()
    found = [*_overdue(now), *_queued(now), *_dead()]
    yield from found or [ok("nothing waits for longer than it should")]


def _overdue(now: datetime) -> Iterator[Finding]:
    for case in OVERDUE:
        rows = _rows(case.oldest.format(now=dialect().now))
        since = dialect().moment(rows[0][0]) if rows else None
        waited = (now - since).total_seconds() if since else 0.0
        if waited > case.limit:
            yield fail(f"{case.what} waits for {ago(waited)}: its clock or worker stands still", case.do)


def _queued(now: datetime) -> Iterator[Finding]:
    """The oldest part in line, by connector: ids begin with the time, and it may have had a date."""
    for line in Connector.objects.all():
        oldest = _rows(
            "SELECT id, send_at FROM messaging_part WHERE connector_id = %s AND lane = %s AND status = 'QUEUED' "
            "ORDER BY id LIMIT 1",
            *((line.pk, lane) for lane in ("otp", "transactional", "bulk")),
        )
        ages = [(now - _since(*row)).total_seconds() for row in oldest]
        if not ages or max(ages) < LONG:
            continue
        if not line.active or line.desired not in ("started", "draining"):
            yield warn(f"{line.name} is off, and messages wait for it: {ago(max(ages))}", "start it, or re-route them")
        elif BindState.objects.filter(connector=line, state="bound").exists():
            yield warn(
                f"{line.name} is bound, and its oldest message waits for {ago(max(ages))}",
                "raise its tps and window, or spread its routes over more connectors",
            )
        else:
            yield fail(f"{line.name} is not bound, and messages wait for it: {ago(max(ages))}", "see connectors above")


def _since(part_id: Any, send_at: Any) -> datetime:
    drawn, due = moment(dialect().uuid(part_id)), dialect().moment(send_at)
    return max(drawn, due) if due else drawn


def _dead() -> Iterator[Finding]:
    lines = _rows("SELECT count(*) FROM messaging_linebatch WHERE tries >= %s", (TRIES,))[0][0]
    if lines:
        yield warn(f"{lines} batches of carrier PDUs could not be understood", "see Carrier line batches in the admin")
    dead = _rows(
        "SELECT count(*) FROM (SELECT 1 FROM messaging_delivery WHERE state = 'EXHAUSTED' LIMIT %s) AS dead",
        (DEAD_COUNTED,),
    )[0][0]
    if dead:
        many = f"{dead} or more" if dead >= DEAD_COUNTED else str(dead)
        yield warn(
            f"{many} webhooks were given up", "python manage.py replay_deliveries --since TIME (--list shows them)"
        )


def _rows(sql: str, *params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of the statement for each of the parameter lists."""
    found: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for values in params or ((),):
            cursor.execute(sql, values)
            found += cursor.fetchall()
    return found
