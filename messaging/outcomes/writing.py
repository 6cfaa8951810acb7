"""The moves of a batch of results, one UPDATE for each way they lead, and the rows that go with them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from common.ids import floor_at, moment, new_id
from common.sql import dialect
from messaging import first_copy, retry, status
from messaging.announcing import announce
from messaging.finals import Ended
from messaging.models import Attempt, Part, Status
from messaging.outcomes.planning import Fate, Step, Surroundings
from messaging.receipts.keys import bounded
from messaging.receipts.settling import Settled
from messaging.rows import Event
from smpp.statuses import status_text

_Fates = Mapping[Fate, Sequence[Step]]
_UNCLAIMED = (None, None, None)
_CLAIM = (("bind_no", "smallint"), ("fence", "bigint"), ("claimed_at", "timestamptz"))
_FAILURE = (("command_status", "bigint"), ("error_code", "varchar"))


def write(steps: _Fates, keys: Mapping[UUID, str], around: Surroundings) -> Settled:
    """Apply the steps; returns what ended and which events are to be kept."""
    settled = Settled()
    _submitted(steps.get(Fate.SUBMITTED, ()), keys, around)
    _named(steps.get(Fate.NAMED, ()), keys)
    again = _untouched(steps.get(Fate.UNTOUCHED, ())) | _hop(steps.get(Fate.HOP, ()))
    _later(steps.get(Fate.LATER, ()))
    _uncertain(steps.get(Fate.UNCERTAIN, ()), around)
    for fate, to in ((Fate.REJECTED, Status.REJECTED), (Fate.FAILED, Status.FAILED)):
        settled.ended += _end(steps.get(fate, ()), to, around)
    failed = [step for fate in _FAILED for step in steps.get(fate, ()) if fate is not Fate.LATER or step.result.counted]
    keep_attempts([_attempt(step) for step in failed])
    first_copy.return_to([step.part for step in steps.get(Fate.FIRST_COPY, ())])
    settled.events += [_late(step) for step in (*steps.get(Fate.LATE, ()), *steps.get(Fate.NAMED, ()))]
    announce(again)
    return settled


_FAILED = (Fate.LATER, Fate.HOP, Fate.REJECTED, Fate.FAILED, Fate.FIRST_COPY)
# An answer that comes while the resend waits in line is taken as well (status.PREDECESSORS).
_ANSWERED = (
    ("connector_id", "bigint"),
    ("submitted_at", "timestamptz"),
    ("provider_id", "varchar"),
    ("provider_key", "varchar"),
    ("uncertain_until", "timestamptz"),
    ("send_at", "timestamptz"),
)


def _submitted(steps: Sequence[Step], keys: Mapping[UUID, str], around: Surroundings) -> None:
    changes: dict[UUID, Sequence[Any]] = {}
    policies, timeout = around.connector.uncertain_policy, around.connector.receipt_timeout
    for step in steps:
        part, result = step.part, step.result
        due = retry.receipt_due(policies, part.lane, timeout=timeout, now=around.now)
        part.provider_id, part.provider_key = bounded(result.provider_id), keys[part.id]
        part.submitted_at, part.status, part.connector_id = result.at, Status.SUBMITTED, around.connector.id
        changes[part.id] = (part.connector_id, result.at, part.provider_id, part.provider_key, due, None)
    status.move(Status.SUBMITTED, changes, columns=_ANSWERED)


def _named(steps: Sequence[Step], keys: Mapping[UUID, str]) -> None:
    """UNKNOWN stays; a handful of rows after a fault, so the ORM will do."""
    for step in steps:
        step.part.provider_id, step.part.provider_key = bounded(step.result.provider_id), keys[step.part.id]
        step.part.submitted_at = step.result.at
        Part.objects.filter(id=step.part.id, status=Status.UNKNOWN).update(
            provider_id=step.part.provider_id, provider_key=step.part.provider_key, submitted_at=step.result.at
        )


def _untouched(steps: Sequence[Step]) -> set[UUID]:
    changes = {step.part.id: (*_UNCLAIMED, None) for step in steps}
    return status.move(Status.QUEUED, changes, columns=(*_CLAIM, ("uncertain_until", "timestamptz")))


def _hop(steps: Sequence[Step]) -> set[UUID]:
    changes = {
        step.part.id: (*_UNCLAIMED, None, *_failure(step), step.connector_id, step.hop, step.attempts) for step in steps
    }
    columns = (
        *_CLAIM,
        ("uncertain_until", "timestamptz"),
        *_FAILURE,
        ("connector_id", "bigint"),
        ("hop", "smallint"),
        ("attempts", "smallint"),
    )
    return status.move(Status.QUEUED, changes, columns=columns)


def _later(steps: Sequence[Step]) -> None:
    changes = {step.part.id: (*_UNCLAIMED, None, *_failure(step), step.send_at, step.attempts) for step in steps}
    columns = (
        *_CLAIM,
        ("uncertain_until", "timestamptz"),
        *_FAILURE,
        ("send_at", "timestamptz"),
        ("attempts", "smallint"),
    )
    status.move(Status.SCHEDULED, changes, columns=columns)


def _uncertain(steps: Sequence[Step], around: Surroundings) -> None:
    policies = around.connector.uncertain_policy
    changes = {
        step.part.id: (
            retry.uncertain_until(policies, step.part.lane, expires_at=step.part.expires_at, now=around.now),
        )
        for step in steps
    }
    status.move(Status.UNCERTAIN, changes, columns=(("uncertain_until", "timestamptz"),))


def _end(steps: Sequence[Step], to: Status, around: Surroundings) -> list[Ended]:
    columns = (*_FAILURE, ("attempts", "smallint"), ("done_at", "timestamptz"), ("uncertain_until", "timestamptz"))
    changes = {step.part.id: (*_failure(step), step.attempts, around.now, None) for step in steps}
    moved = status.move(to, changes, columns=columns)
    ended = []
    for step in steps:
        if step.part.id in moved:
            _, code = _failure(step)
            step.part.status, step.part.error_code, step.part.done_at = to, code, around.now
            ended.append(Ended(part=step.part, status=to, at=around.now, error_code=code, error=_words(step)))
    return ended


def _failure(step: Step) -> tuple[int | None, str]:
    number = step.result.command_status
    return number, "" if number is None else f"0x{number:02X}"


def _words(step: Step) -> str:
    number = step.result.command_status
    return (step.result.error or ("" if number is None else status_text(number)))[:200]


def _late(step: Step) -> Event:
    data = {
        "kind": str(step.result.kind),
        "provider_id": bounded(step.result.provider_id),
        "fence": step.result.fence,
        "found": str(step.part.status),
    }
    return Event(step.part.message_id, step.part.id, "late_result", data)


def _attempt(step: Step) -> Attempt:
    return Attempt(
        id=new_id(),
        part_id=step.part.id,
        message_id=step.part.message_id,
        connector_id=step.part.connector_id,
        bind_no=step.part.bind_no,
        started_at=step.part.claimed_at,
        ended_at=step.result.at,
        outcome=str(step.result.kind),
        command_status=step.result.command_status,
        error=_words(step),
    )


def keep_attempts(attempts: Sequence[Attempt]) -> None:
    """Write attempts with the next free number of their part; the caller holds the parts."""
    if not attempts:
        return
    before = attempts_before([attempt.part_id for attempt in attempts])
    columns = [str(field.column) for field in Attempt._meta.concrete_fields]
    for attempt in attempts:
        attempt.number = before.get(attempt.part_id, 0) + 1
    values = [tuple(getattr(attempt, field.attname) for field in Attempt._meta.concrete_fields) for attempt in attempts]
    with connection.cursor() as cursor:
        dialect().insert(cursor, Attempt._meta.db_table, columns, values)


def attempts_before(part_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many attempts of these parts are written; attempts are younger than their part, which prunes partitions."""
    floor: datetime = moment(min(part_ids))
    counted = Attempt.objects.filter(part_id__in=part_ids, id__gte=floor_at(floor)).values("part_id")
    return dict(counted.annotate(rows=Count("id")).values_list("part_id", "rows"))
