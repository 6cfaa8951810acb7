"""Pure: what a result of sending means for the row that it meets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from common.errors import SendKind
from connectors.snapshot import ConnectorView
from messaging import first_copy, retry
from messaging.lines import usable
from messaging.models import Status
from messaging.receipts.keys import bounded
from messaging.rows import MessageRow, PartRow

SUBMITTED: Final = "submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """How one try to send a part ended, as its owner saw it.

    `fence` is the one it was claimed under; `counted` says whether a BUSY is this number's fault (delayed and
    counted) or the connector's (only waits). `at` is when the answer came; `claimed_at` names the claim, None: any.
    """

    part_id: UUID
    fence: int
    kind: str  # SUBMITTED or a SendKind
    at: datetime
    provider_id: str = ""
    command_status: int | None = None
    error: str = ""
    counted: bool = True
    claimed_at: datetime | None = None


class Fate(StrEnum):
    """Where a result leads: a decision of `retry.Next`, success, or one of these."""

    SUBMITTED = "submitted"
    UNTOUCHED = "untouched"
    LATER = "later"
    HOP = "hop"
    REJECTED = "rejected"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    FIRST_COPY = "first_copy"  # it failed for good, but a carrier took another copy of it before
    NAMED = "named"  # UNKNOWN already: only the provider's id is news, so that a late receipt finds the part
    KNOWN = "known"  # the same answer again
    LATE = "late"  # somebody has settled or claimed the row meanwhile: kept as an event


@dataclass(frozen=True, slots=True)
class Step:
    """A part, its result and what is to be done."""

    part: PartRow
    result: SubmitResult
    fate: Fate
    attempts: int = 0
    send_at: datetime | None = None
    hop: int = 0
    connector_id: int = 0


@dataclass(slots=True)
class Surroundings:
    """What decisions look at: the connector that sent, its bind, and the messages of the parts."""

    connector: ConnectorView
    bind_no: int
    now: datetime
    messages: Mapping[UUID, MessageRow] = field(default_factory=dict)


def plan(part: PartRow, result: SubmitResult, around: Surroundings) -> Step:
    """Decide for one part under its lock."""
    if result.kind == SUBMITTED:
        return Step(part, result, _success(part, result, around))
    if not _is_current(part, result, around) or _is_older(part, result):
        return Step(part, result, Fate.LATE)
    return _failure(part, result, around)


def _is_older(part: PartRow, result: SubmitResult) -> bool:
    """A failure of an earlier claim under the same lease: recorded again because nobody knew that it had been, it
    must not take the part out of the hands that hold it now."""
    return result.claimed_at is not None and part.claimed_at != result.claimed_at


def _is_current(part: PartRow, result: SubmitResult, around: Surroundings) -> bool:
    """The try of this very claim; uncertain or not, its answer is a fact."""
    claimed = (part.connector_id, part.bind_no, part.fence)
    return part.status in (Status.SUBMITTING, Status.UNCERTAIN) and claimed == (
        around.connector.id,
        around.bind_no,
        result.fence,
    )


def _success(part: PartRow, result: SubmitResult, around: Surroundings) -> Fate:
    if _is_current(part, result, around):
        return Fate.SUBMITTED
    if part.status == Status.UNCERTAIN:
        return Fate.SUBMITTED  # an answer to an earlier copy settles it as well
    if part.status in (Status.QUEUED, Status.SCHEDULED) and part.possible_duplicate:
        return Fate.SUBMITTED  # calls the pending resend off
    if part.status == Status.UNKNOWN and not part.provider_key:
        return Fate.NAMED
    if result.provider_id and part.provider_id == bounded(result.provider_id):
        return Fate.KNOWN
    return Fate.LATE


def _failure(part: PartRow, result: SubmitResult, around: Surroundings) -> Step:
    message = around.messages.get(part.message_id)
    hops: Sequence[int] = message.hops if message is not None else ()
    decision = retry.after_failure(
        SendKind(result.kind),
        counted=result.counted,
        attempts=part.attempts,
        max_attempts=around.connector.max_attempts,
        hop=part.hop,
        hops=hops,
        usable=usable,
        doubted=part.possible_duplicate,
    )
    fate = Fate(decision.next.value)
    if fate is Fate.UNCERTAIN and part.status == Status.UNCERTAIN:
        fate = Fate.LATE
    if fate in (Fate.REJECTED, Fate.FAILED) and first_copy.has_one(part):
        fate = Fate.FIRST_COPY
    return Step(
        part,
        result,
        fate,
        attempts=decision.attempts,
        send_at=around.now + timedelta(seconds=decision.delay) if fate is Fate.LATER else None,
        hop=decision.hop,
        connector_id=hops[decision.hop] if fate is Fate.HOP else part.connector_id,
    )
