"""States of parts and messages: what may follow what, what customers are told, and the one way to move a part.

Every move is one batch `UPDATE … WHERE id = ANY(ids) AND status IN (legal predecessors) RETURNING`. A row that
does not come back was moved by somebody else first, which is not an error (architecture section 3, Status).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from common.sql import dialect, hot
from messaging.models import Status

# Who may come before. SUBMITTED also follows QUEUED and SCHEDULED, but only for a part whose first copy was
# written without an answer (possible_duplicate): a late answer is a fact, so a pending resend is called off. QUEUED
# follows SUBMITTED when no receipt came in time (messaging.failover).
PREDECESSORS: Mapping[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.SUBMITTING, Status.UNCERTAIN}),
    Status.QUEUED: frozenset({Status.SCHEDULED, Status.SUBMITTING, Status.UNCERTAIN, Status.SUBMITTED}),
    Status.SUBMITTING: frozenset({Status.QUEUED}),
    Status.UNCERTAIN: frozenset({Status.SUBMITTING}),
    Status.SUBMITTED: frozenset({Status.SUBMITTING, Status.UNCERTAIN, Status.QUEUED, Status.SCHEDULED}),
    Status.DELIVERED: frozenset({Status.SUBMITTED, Status.UNKNOWN}),
    Status.UNDELIVERED: frozenset({Status.SUBMITTED, Status.UNKNOWN}),
    Status.DELETED: frozenset({Status.SUBMITTED, Status.UNKNOWN}),
    Status.REJECTED: frozenset({Status.SUBMITTED, Status.UNKNOWN, Status.SUBMITTING, Status.UNCERTAIN}),
    Status.EXPIRED: frozenset({Status.SUBMITTED, Status.UNKNOWN, Status.SCHEDULED, Status.QUEUED}),
    Status.UNKNOWN: frozenset({Status.SUBMITTED, Status.UNCERTAIN}),
    Status.CANCELLED: frozenset({Status.SCHEDULED, Status.QUEUED}),
    Status.FAILED: frozenset({Status.SCHEDULED, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN}),
    Status.BLOCKED: frozenset(),
}
OPEN = frozenset(
    {Status.SCHEDULED, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN, Status.SUBMITTED},
)
FINAL = frozenset(Status) - OPEN
# What a receipt may say of a part; ENROUTE and ACCEPTED are events, not states.
RECEIPT_FINALS = frozenset({Status.DELIVERED, Status.UNDELIVERED, Status.EXPIRED, Status.REJECTED, Status.DELETED})
ENROUTE, ACCEPTED = "ENROUTE", "ACCEPTED"

# From least to most advanced, then the failures from mild to bad.
_ADVANCE = (
    Status.SCHEDULED,
    Status.QUEUED,
    Status.SUBMITTING,
    Status.UNCERTAIN,
    Status.SUBMITTED,
    Status.UNKNOWN,
    Status.DELIVERED,
)
_FAILURES = (
    Status.DELETED,
    Status.CANCELLED,
    Status.EXPIRED,
    Status.UNDELIVERED,
    Status.REJECTED,
    Status.FAILED,
    Status.BLOCKED,
)

TOLD: Mapping[str, str] = {
    Status.SCHEDULED: "SCHEDULED",
    Status.QUEUED: "QUEUED",
    Status.SUBMITTING: "QUEUED",
    Status.UNCERTAIN: "SENT",
    Status.SUBMITTED: "SENT",
    Status.DELIVERED: "DELIVRD",
    Status.UNDELIVERED: "UNDELIV",
    Status.FAILED: "UNDELIV",
    Status.REJECTED: "REJECTD",
    Status.BLOCKED: "REJECTD",
    Status.EXPIRED: "EXPIRED",
    Status.CANCELLED: "DELETED",
    Status.DELETED: "DELETED",
    Status.UNKNOWN: "UNKNOWN",
    ENROUTE: "ENROUTE",
    ACCEPTED: "ENROUTE",
}
_WEBHOOK = {"DELETED": "UNDELIV", "UNKNOWN": "UNDELIV"}


def may(before: str, after: str) -> bool:
    """Whether a part in `before` may become `after`."""
    return Status(before) in PREDECESSORS[Status(after)]


def told(status: str) -> str:
    """The word for customers in look-ups and logs (requirements S0-30)."""
    return TOLD[status]


def webhook_word(status: str) -> str:
    """The word in a callback, which knows DELIVRD, UNDELIV, REJECTD, EXPIRED and ENROUTE (S0-137)."""
    return _WEBHOOK.get(TOLD[status], TOLD[status])


def roll_up(parts: Iterable[str]) -> Status:
    """What a message shows: its worst failed part, or else its least advanced one."""
    statuses = [Status(part) for part in parts]
    failed = [status for status in statuses if status in _FAILURES]
    if failed:
        return max(failed, key=_FAILURES.index)
    return min(statuses, key=_ADVANCE.index)


def all_final(parts: Iterable[str]) -> bool:
    """Whether nothing more will happen to these parts."""
    return all(Status(part) in FINAL for part in parts)


Columns = Sequence[tuple[str, str]]


def move(
    to: Status,
    changes: Mapping[UUID, Sequence[Any]],
    *,
    columns: Columns = (),
    only_from: frozenset[Status] | None = None,
    where: str = "",
    params: Sequence[Any] = (),
) -> set[UUID]:
    """Bring parts to `to` where that is legal, with new values of `columns` (name, PostgreSQL type), in one UPDATE.

    `changes` maps a part id to its values, one for each column. `only_from` narrows the legal predecessors and
    `where` adds an owner's guard, such as a fence. Returns the ids that moved.
    """
    legal = PREDECESSORS[to] & (only_from or frozenset(Status))
    return _update("messaging_part", to, changes, columns=columns, legal=legal, where=where, params=params)


def move_messages(to: Status, changes: Mapping[UUID, Sequence[Any]], *, columns: Columns = ()) -> set[UUID]:
    """Bring messages to the final state `to`, unless they have one already; UNKNOWN may be settled once more."""
    legal = (OPEN | {Status.UNKNOWN}) - {to}
    return _update("messaging_message", to, changes, columns=columns, legal=legal)


def _update(
    table: str,
    to: Status,
    changes: Mapping[UUID, Sequence[Any]],
    *,
    columns: Columns,
    legal: frozenset[Status],
    where: str = "",
    params: Sequence[Any] = (),
) -> set[UUID]:
    if not changes or not legal:
        return set()
    sql = dialect()
    named = [("v_id", "uuid"), *((f"v_{name}", kind) for name, kind in columns)]
    rows, row_values = sql.rows("v", named, [(key, *changes[key]) for key in sorted(changes)])
    among, among_values = sql.keyed("id", sorted(changes))
    assignments = "".join(f", {name} = v_{name}" for name, _ in columns)
    marks = ", ".join(["%s"] * len(legal))
    statement = (
        f"UPDATE {table} SET status = %s{assignments} FROM {rows} "
        f"WHERE id = v_id AND {among} AND status IN ({marks}) {where} RETURNING id"
    )
    states = sorted(legal)
    with hot() as cursor:
        cursor.execute(statement, [str(to), *row_values, *among_values, *map(str, states), *params])
        return {sql.uuid(row[0]) for row in cursor.fetchall()}
