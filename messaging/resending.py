"""Sent once more although the first copy may have arrived: flagged, charged once, the first try kept as an Attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import new_id
from messaging import status
from messaging.announcing import announce
from messaging.claims import UNCLAIMED
from messaging.models import Attempt, Message, Status
from messaging.outcomes.writing import keep_attempts
from messaging.rows import PartRow

_COLUMNS = (*UNCLAIMED, ("uncertain_until", "timestamptz"), ("possible_duplicate", "boolean"))
_VALUES = (None,) * (len(UNCLAIMED) + 1) + (True,)


def resend(
    parts: Sequence[PartRow],
    changes: Mapping[UUID, Sequence[Any]],
    *,
    columns: Sequence[tuple[str, str]],
    only_from: Status,
    outcome: str,
    error: str,
    now: datetime,
) -> set[UUID]:
    """Put parts that are still `only_from` back in line; the caller holds their locks. Returns those that were.

    `changes` are the values of `columns` (name, PostgreSQL type) by part, beside the claim and the flag; `outcome` and
    `error` say how the first try ended.
    """
    written = {part_id: (*_VALUES, *values) for part_id, values in changes.items()}
    moved = status.move(Status.QUEUED, written, columns=(*_COLUMNS, *columns), only_from=frozenset({only_from}))
    again = [part for part in parts if part.id in moved]
    if flagged := {part.message_id for part in again}:
        Message.objects.filter(id__in=flagged, possible_duplicate=False).update(possible_duplicate=True)
    keep_attempts([_first_try(part, outcome, error, now) for part in again])
    announce(moved)
    return moved


def _first_try(part: PartRow, outcome: str, error: str, now: datetime) -> Attempt:
    return Attempt(
        id=new_id(),
        part_id=part.id,
        message_id=part.message_id,
        connector_id=part.connector_id,
        bind_no=part.bind_no,
        started_at=part.claimed_at,
        ended_at=now,
        outcome=outcome,
        error=error,
        provider_id=part.provider_id,
        provider_key=part.provider_key,
    )
