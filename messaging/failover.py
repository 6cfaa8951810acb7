"""To the next connector of the route on time: no bind for too long, or no receipt (Connector.failover_after,
.receipt_timeout).

Only parts that are QUEUED or SUBMITTED are moved, one by one, under their lock and a condition on what they were: a
bind that comes back at this moment either has claimed a part, which then stays, or never sees it again. What other
parts of the message do does not matter: only missing ones go again. The order of ids is kept.

A part sent again because no receipt came keeps its first try as an Attempt with the carrier's id, so that a receipt
which comes all the same settles it (receipts.matching). It is flagged, charged once, and ends once.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from common.queues import Lane
from common.sql import dialect
from common.transactions import retried
from connectors.models import BindState, Connector
from connectors.snapshot import connectors
from messaging import rows
from messaging.announcing import announce
from messaging.first_copy import NO_RECEIPT
from messaging.lines import line_name, next_hop, usable
from messaging.models import Part, Status
from messaging.resending import resend
from messaging.rows import Event, MessageRow, PartRow

PASS = 1000
MANY = 10 * PASS  # parts without another connector; looking through fewer at each tick costs little
AGAIN = 60.0  # seconds after which more than that are looked through once more
BUDGET = 20.0  # seconds that one tick spends on what waits for connectors that are down; the next one begins anew


def down_lines(now: datetime) -> dict[int, datetime]:
    """Connectors without a bind for longer than they may be, with the moment since when."""
    limited = _limited()
    made = Connector.objects.filter(id__in=limited).values_list("id", "created_at")
    seen = BindState.objects.filter(connector_id__in=limited, bound_at__isnull=False).values("connector_id")
    since = dict(made) | dict(seen.annotate(last=Max("bound_at")).values_list("connector_id", "last"))
    return {key: at for key, at in since.items() if now - at > timedelta(seconds=limited[key])}


def _limited() -> dict[int, int]:
    return {view.id: view.failover_after for view in connectors().by_id.values() if view.failover_after}


def leave_down_lines() -> int:
    """Hand what waits for connectors that are down to the next one that is not; returns how many parts."""
    if not _limited():
        return 0
    down = frozenset(down_lines(rows.database_now()))
    until = time.monotonic() + BUDGET
    return sum(_leave(connector_id, lane, down, until) for lane in Lane for connector_id in sorted(down))


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far the parts of a line were looked through, and what was the case when that began."""

    down: frozenset[int]
    closed: frozenset[int]
    after: UUID | None = None
    stay: int = 0  # parts without another connector
    again_at: float = 0.0  # monotonic; when the end was reached


# Of this process, and only where very many have no other connector: on a bad night they are hundreds of thousands, and
# nothing about them changes from one tick to the next. A short walk begins anew at each tick, because not all that
# comes has a higher id: over-rate and resent parts, and those of a batch that was committed late.
_long_walks: dict[tuple[int, str], _Walk] = {}


def _leave(connector_id: int, lane: str, down: frozenset[int], until: float) -> int:
    walk = _walk_on(_long_walks.pop((connector_id, lane), None), down)
    total, seen = 0, PASS
    while seen == PASS and time.monotonic() < until:
        seen, last, leaving, moved = _leave_pass(connector_id, lane, down, walk.after)
        walk = replace(walk, after=last or walk.after, stay=walk.stay + seen - leaving)
        total += moved
    if lane != Lane.OTP and walk.stay >= MANY:
        ended = walk.again_at or time.monotonic() + AGAIN
        _long_walks[connector_id, lane] = walk if seen == PASS else replace(walk, again_at=ended)
    return total


def _walk_on(walk: _Walk | None, down: frozenset[int]) -> _Walk:
    closed = frozenset(key for key in connectors().by_id if not usable(key))
    if walk is None or (walk.down, walk.closed) != (down, closed) or 0 < walk.again_at <= time.monotonic():
        return _Walk(down, closed)
    return walk


@retried()
def _leave_pass(
    connector_id: int, lane: str, down: Collection[int], after: UUID | None
) -> tuple[int, UUID | None, int, int]:
    """One pass over the parts behind `after`: how many, the last of them, how many may leave, and how many have left.

    By lane, because part_claim is in the order of the ids within one: a long backlog is walked once, not sorted anew
    for every pass. Only those that have another connector are locked.
    """
    with transaction.atomic():
        waiting = Part.objects.filter(status=Status.QUEUED, connector_id=connector_id, lane=lane)
        if after is not None:
            waiting = waiting.filter(id__gt=after)
        seen = list(waiting.order_by("id").values_list("id", "message_id", "hop")[:PASS])
        messages = rows.read_messages({message_id for _, message_id, _ in seen})
        leaving = [part_id for part_id, message_id, hop in seen if _next(messages.get(message_id), hop, down)]
        moved = _move(connector_id, leaving, messages, down) if leaving else set()
    return len(seen), seen[-1][0] if seen else None, len(leaving), len(moved)


def _move(
    connector_id: int, part_ids: Sequence[UUID], messages: Mapping[UUID, MessageRow], down: Collection[int]
) -> set[UUID]:
    """To the next connector, unless somebody else has the part by now; which ones went."""
    parts = rows.lock_parts(part_ids, skip_locked=True)
    nexts = {part.id: _next(messages.get(part.message_id), part.hop, down) for part in parts.values()}
    ways = {part_id: way for part_id, way in nexts.items() if way is not None}
    moved = _reroute(connector_id, ways)
    names = {part_id: {"from": line_name(connector_id), "to": line_name(ways[part_id][0])} for part_id in moved}
    events = [Event(parts[key].message_id, key, "rerouted", {**names[key], "why": "down"}) for key in sorted(moved)]
    rows.keep_events(events, at=rows.database_now())
    announce(moved)
    return moved


def _next(message: MessageRow | None, hop: int, down: Collection[int]) -> tuple[int, int] | None:
    """Connector and hop that come next for a part at `hop`, None without one."""
    hops = message.hops if message is not None else []
    following = next_hop(hops, hop, without=down)
    return None if following is None else (hops[following], following)


def _reroute(connector_id: int, ways: Mapping[UUID, tuple[int, int]]) -> set[UUID]:
    """QUEUED parts stay QUEUED, for somebody else."""
    if not ways:
        return set()
    sql = dialect()
    columns = (("v_id", "uuid"), ("v_connector", "bigint"), ("v_hop", "smallint"))
    source, params = sql.rows("v", columns, [(key, *ways[key]) for key in sorted(ways)])
    among, ids = sql.keyed("id", sorted(ways))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE messaging_part SET connector_id = v_connector, hop = v_hop, attempts = 0 FROM {source} "
            f"WHERE id = v_id AND {among} AND status = 'QUEUED' AND connector_id = %s RETURNING id",
            [*params, *ids, connector_id],
        )
        return {sql.uuid(row[0]) for row in cursor.fetchall()}


# -- no receipt in time


def resend_without_receipt() -> int:
    """Parts whose receipt did not come in time go over the next connector as well; returns how many."""
    if not any(view.receipt_timeout for view in connectors().by_id.values()):
        return 0
    total = 0
    while True:
        found, handled, done = _resend_pass()
        total += done
        if found < PASS or not handled:  # of what others hold just now nothing is handled
            return total


@retried()
def _resend_pass() -> tuple[int, int, int]:
    with transaction.atomic():
        now = rows.database_now()
        due = Part.objects.filter(status=Status.SUBMITTED, uncertain_until__lte=now)
        ids = list(due.order_by("uncertain_until").values_list("id", flat=True)[:PASS])
        parts, messages = rows.lock(ids, skip_locked=True)
        late = [part for part in parts.values() if part.status == Status.SUBMITTED]
        down = set(down_lines(now)) if late else set()
        ways = {
            part.id: way
            for part in late
            if _alive(part, now) and (way := _next(messages.get(part.message_id), part.hop, down))
        }
        moved = _send_again([part for part in late if part.id in ways], ways, now)
        _wait_no_more([part.id for part in late if part.id not in moved])
    return len(ids), len(late), len(moved)


def _alive(part: PartRow, now: datetime) -> bool:
    return part.expires_at is None or part.expires_at > now


_NEXT = (
    ("connector_id", "bigint"),
    ("hop", "smallint"),
    ("attempts", "smallint"),
    ("provider_id", "varchar"),
    ("provider_key", "varchar"),
)


def _send_again(parts: Sequence[PartRow], ways: Mapping[UUID, tuple[int, int]], now: datetime) -> set[UUID]:
    """`submitted_at` stays: it says that a carrier took it once, whatever becomes of the other copy."""
    return resend(
        parts,
        {part.id: (*ways[part.id], 0, "", "") for part in parts},
        columns=_NEXT,
        only_from=Status.SUBMITTED,
        outcome=NO_RECEIPT,
        error="No receipt in time; sent over the next connector",
        now=now,
    )


def _wait_no_more(part_ids: Sequence[UUID]) -> None:
    """No other way: the receipt may still come."""
    if part_ids:
        Part.objects.filter(id__in=part_ids, status=Status.SUBMITTED).update(uncertain_until=None)
