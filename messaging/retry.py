"""What comes after a try that failed: again here, on the next connector, or never. Pure decisions, dates as values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from common.errors import SendKind
from common.queues import Lane

# Seconds after the first, second and third counted failure (spec/smpp.md 5.7, Temporary).
DELAYS = (5, 30, 120)
# Seconds in which a late answer or receipt may still come before a part is sent again; a one-time password
# that comes after ten seconds is worth little.
GRACE: Mapping[str, int] = {Lane.OTP.value: 2, Lane.TRANSACTIONAL.value: 10, Lane.BULK.value: 10}
# A text that takes the link down each time it is written must not do so until its validity ends.
RESENDS = 10
HOLD_WITHOUT_VALIDITY = timedelta(days=1)
RESEND, HOLD = "resend", "hold"


class Next(Enum):
    """Where a part goes after a failed try."""

    UNTOUCHED = "untouched"  # back in line as if it had not been tried
    LATER = "later"  # same connector at a date
    HOP = "hop"  # next connector at once
    REJECTED = "rejected"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Decision:
    """`delay` in seconds for LATER; `hop` is the index into the hops for HOP; `attempts` as they count afterwards."""

    next: Next
    attempts: int = 0
    delay: int = 0
    hop: int = 0


def after_failure(
    kind: SendKind,
    *,
    counted: bool,
    attempts: int,
    max_attempts: int,
    hop: int,
    hops: Sequence[int],
    usable: Callable[[int], bool],
    doubted: bool = False,
) -> Decision:
    """Decide by the kind of failure; `attempts` were counted before this one, `hops` are connector ids.

    Tries that a lost link left `doubted` are counted as well, for RESENDS; they are no failures of this message,
    so that a temporary error after them does not end it.

    BUSY that is not counted only waits (the connector is full); counted, this one number is delayed like any
    temporary failure (architecture section 3, Flow).
    """
    if kind in (SendKind.THROTTLED, SendKind.SESSION):
        return Decision(Next.UNTOUCHED, attempts)
    if kind is SendKind.UNCERTAIN:
        return Decision(Next.UNCERTAIN, attempts)
    if kind is SendKind.PERMANENT:
        return Decision(Next.REJECTED, attempts + 1)
    if kind is SendKind.BUSY and not counted:
        return Decision(Next.LATER, attempts, delay=DELAYS[0])
    if kind is not SendKind.ROUTE and attempts + 1 < max_attempts:
        return Decision(Next.LATER, attempts + 1, delay=DELAYS[min(attempts, len(DELAYS) - 1)])
    following = next((i for i in range(hop + 1, len(hops)) if usable(hops[i])), None)
    if following is not None:
        return Decision(Next.HOP, 0, hop=following)
    if kind is SendKind.ROUTE:
        return Decision(Next.REJECTED, attempts + 1)
    if doubted and attempts + 1 < RESENDS:
        return Decision(Next.LATER, attempts + 1, delay=DELAYS[-1])
    return Decision(Next.FAILED, attempts + 1)


def uncertain_policy(policies: Mapping[str, str], lane: str) -> str:
    """`resend` or `hold` for a lane of a connector; marketing is held, the rest is sent again."""
    return policies.get(str(lane)) or (HOLD if lane == Lane.BULK else RESEND)


def receipt_due(policies: Mapping[str, str], lane: str, *, timeout: int, now: datetime) -> datetime | None:
    """Until when the receipt of a part that was taken now is waited for before it goes over another connector too.

    `timeout` in seconds, 0 for none. What may not be sent twice (HOLD) waits for ever.
    """
    if not timeout or uncertain_policy(policies, lane) != RESEND:
        return None
    return now + timedelta(seconds=timeout)


def uncertain_until(policies: Mapping[str, str], lane: str, *, expires_at: datetime | None, now: datetime) -> datetime:
    """Until when an uncertain part waits for a late answer or receipt."""
    if uncertain_policy(policies, lane) == RESEND:
        return now + timedelta(seconds=GRACE[str(lane)])
    return expires_at or now + HOLD_WITHOUT_VALIDITY
