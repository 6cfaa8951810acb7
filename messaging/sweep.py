"""Rows whose time has come. Every sweep works in passes of at most 1,000, skips what others hold, and may run twice
or on several hosts at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from common.ids import floor_at
from common.transactions import retried
from messaging import draining, first_copy, retry, rows, status, traffic
from messaging.announcing import announce
from messaging.finals import Ended
from messaging.lines import line, siblings
from messaging.models import IdempotencyKey, LineBatch, Message, Part, ReceiptSeen, Status
from messaging.receipts import TRIES, OnText, parked, shared
from messaging.receipts.settling import Settled
from messaging.resending import resend
from messaging.rows import MessageRow, PartRow

PASS = 1000
# A receipt may come 72 h after the validity, which is 7 days at most where none was named.
SILENCE = timedelta(hours=72)
LONGEST_VALIDITY = timedelta(days=7)
IDEMPOTENCY_KEPT = timedelta(hours=24)
SEEN_KEPT = timedelta(hours=72)
LINE_AFTER = timedelta(seconds=5)  # a hint that has not been followed by then was lost

_Finder = Callable[[datetime], Sequence[UUID]]
_Worker = Callable[[dict[UUID, PartRow], dict[UUID, MessageRow], datetime], int]
_Locked = tuple[dict[UUID, PartRow], dict[UUID, MessageRow]]


def _free(ids: Sequence[UUID]) -> _Locked:
    return rows.lock(ids, skip_locked=True)


def _free_with_siblings(ids: Sequence[UUID]) -> _Locked:
    """Where a part may go back to a carrier that has reported on it by another one (`shared`)."""
    return rows.lock_with_siblings(ids, skip_locked=True) if shared.in_use() else _free(ids)


def _sweep(find: _Finder, work: _Worker, take: Callable[[Sequence[UUID]], _Locked] = _free) -> int:
    """Passes until one finds less than it may, or nothing that it could lock; returns the sum of the work."""
    total = 0
    while True:
        found, done = _pass(find, work, take)
        total += done
        if found < PASS or not done:
            return total


@retried()
def _pass(find: _Finder, work: _Worker, take: Callable[[Sequence[UUID]], _Locked]) -> tuple[int, int]:
    with transaction.atomic():
        now = rows.database_now()
        ids = find(now)
        parts, messages = take(ids)
        return len(ids), work(parts, messages, now)


def dispatch_due() -> int:
    """SCHEDULED parts whose date has come are put in line; returns how many."""
    return _sweep(_due, _dispatch)


def _due(now: datetime) -> list[UUID]:
    waiting = Part.objects.filter(status=Status.SCHEDULED, send_at__lte=now)
    alive = waiting.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    return list(alive.order_by("send_at").values_list("id", flat=True)[:PASS])


def _dispatch(parts: dict[UUID, PartRow], messages: dict[UUID, MessageRow], now: datetime) -> int:
    due = frozenset({Status.SCHEDULED})
    away = draining.elsewhere(parts.values(), messages)
    moved = status.move(Status.QUEUED, away, columns=draining.ELSEWHERE, only_from=due)
    moved |= status.move(Status.QUEUED, dict.fromkeys(parts.keys() - away.keys(), ()), only_from=due)
    announce(moved)
    return len(moved)


def resolve_uncertain() -> int:
    """Parts whose wait for a late answer is over: settled by a parked receipt, sent again, or UNKNOWN, by policy.

    Raises what went wrong with the receipts of a carrier, as one group, when the parts of all others are resolved.
    """
    total, failed = 0, dict[str, Exception]()
    while True:
        known = len(failed)
        now = rows.database_now()
        without = _lines_of(failed)
        due = _overdue(now, without=without)
        looked = _look_for_receipts(due, failed)
        # Only those: for a part that is due since a moment nobody has looked yet.
        _, done = _pass(partial(_overdue, among=looked, without=without), _resolve, _free_with_siblings)
        total += done
        if len(due) < PASS or not (done or len(failed) > known):
            break
    if failed:
        raise ExceptionGroup(f"receipts of {', '.join(sorted(failed))} were not looked at", list(failed.values()))
    return total


def _lines_of(carriers: Collection[str]) -> list[int]:
    return [number for carrier in carriers for number in siblings(carrier)]


def _look_for_receipts(due: Collection[UUID], failed: dict[str, Exception]) -> set[UUID]:
    """In transactions of their own, before anything is sent again: a receipt may have come without an answer.

    Each carrier by itself: one whose receipts cannot be looked at goes into `failed`. Returns the parts of the others.
    """
    listed = list(Part.objects.filter(id__in=due).values_list("id", "connector_id", "message_id"))
    numbers = dict(Message.objects.filter(id__in=[row[2] for row in listed]).values_list("id", "recipient"))
    looked, carriers = set(due), defaultdict[str, dict[UUID, str]](dict)
    for part_id, connector_id, message_id in listed:
        view = line(connector_id)
        if view is not None and message_id in numbers:
            carriers[view.carrier_account][part_id] = numbers[message_id]
    for carrier, recipients in carriers.items():
        try:
            parked.rematch_addresses(set(recipients.values()), carrier)
        except Exception as error:  # raised by the caller, after the others
            failed[carrier] = error
            looked -= recipients.keys()
    return looked


def _overdue(now: datetime, among: Collection[UUID] | None = None, without: Collection[int] = ()) -> list[UUID]:
    """The oldest, at most PASS, of all lines but those in `without`."""
    waiting = Part.objects.filter(status=Status.UNCERTAIN, uncertain_until__lte=now).exclude(connector_id__in=without)
    found = waiting.order_by("uncertain_until").values_list("id", flat=True)[:PASS]
    return [part for part in found if among is None or part in among]


def _resolve(parts: dict[UUID, PartRow], messages: dict[UUID, MessageRow], now: datetime) -> int:
    doubtful = [part for part in parts.values() if part.status == Status.UNCERTAIN]
    again = [part for part in doubtful if _may_resend(part, now)]
    over, settled = _without_first_copy([part for part in doubtful if not _may_resend(part, now)], parts, messages, now)
    resent = _resend(again, now)
    ended = _end(over, Status.UNKNOWN, now)
    settled.ended += ended
    parked.close(settled, messages, now=now)
    return len(resent) + len(ended)


def _may_resend(part: PartRow, now: datetime) -> bool:
    view = line(part.connector_id)
    policies = view.uncertain_policy if view is not None else {}
    if retry.uncertain_policy(policies, part.lane) != retry.RESEND or part.attempts >= retry.RESENDS:
        return False
    return part.expires_at is None or part.expires_at > now


def _resend(parts: Sequence[PartRow], now: datetime) -> set[UUID]:
    """Back in line, flagged; it was charged once and is never charged again."""
    return resend(
        parts,
        {part.id: (part.attempts + 1,) for part in parts},
        columns=(("attempts", "smallint"),),
        only_from=Status.UNCERTAIN,
        outcome="uncertain",
        error="Written without an answer; sent again",
        now=now,
    )


def expire_due() -> int:
    """Parts whose validity ended before they were sent; refunded. Returns how many."""
    ending = _ending(Status.EXPIRED, frozenset({Status.SCHEDULED, Status.QUEUED}))
    return _sweep(_expired, ending, _free_with_siblings)


def _expired(now: datetime) -> list[UUID]:
    waiting = Part.objects.filter(status__in=[Status.SCHEDULED, Status.QUEUED], expires_at__lte=now)
    return list(waiting.order_by("expires_at").values_list("id", flat=True)[:PASS])


def close_unreceipted() -> int:
    """SUBMITTED parts without a receipt until 72 h after their validity become UNKNOWN. Returns how many."""
    return _sweep(_silent, _ending(Status.UNKNOWN, frozenset({Status.SUBMITTED})))


def _silent(now: datetime) -> list[UUID]:
    sent = Part.objects.filter(status=Status.SUBMITTED)
    dated = sent.filter(expires_at__lte=now - SILENCE).order_by("expires_at").values_list("id", flat=True)
    found = list(dated[:PASS])
    if len(found) < PASS:
        old = floor_at(now - SILENCE - LONGEST_VALIDITY)
        # What was scheduled is older than its sending.
        undated = sent.filter(expires_at=None, id__lt=old, submitted_at__lt=now - SILENCE - LONGEST_VALIDITY)
        found += undated.values_list("id", flat=True)[: PASS - len(found)]
    return found


def _ending(to: Status, only_from: frozenset[Status]) -> _Worker:
    def work(parts: dict[UUID, PartRow], messages: dict[UUID, MessageRow], now: datetime) -> int:
        over = [part for part in parts.values() if part.status in only_from]
        ending, settled = _without_first_copy(over, parts, messages, now)
        settled.ended += _end(ending, to, now)
        parked.close(settled, messages, now=now)
        return len(over)

    return work


def _without_first_copy(
    over: Sequence[PartRow], parts: dict[UUID, PartRow], messages: dict[UUID, MessageRow], now: datetime
) -> tuple[list[PartRow], Settled]:
    """Those that end; a part of which a carrier took another copy waits for that one's receipt, or is settled by what
    that carrier has said meanwhile."""
    returned = first_copy.return_to([part for part in over if first_copy.could_return(part)])
    settled = parked.settle_returned([parts[key] for key in sorted(returned)], parts, messages, now=now)
    return [part for part in over if part.id not in returned], settled


def _end(parts: Sequence[PartRow], to: Status, now: datetime) -> list[Ended]:
    moved = status.move(
        to,
        {part.id: (now, None) for part in parts},
        columns=(("done_at", "timestamptz"), ("uncertain_until", "timestamptz")),
    )
    ended = [part for part in parts if part.id in moved]
    for part in ended:
        part.status, part.done_at = to, now
    return [Ended(part=part, status=to, at=now) for part in ended]


def rematch_parked(*, on_text: OnText | None = None) -> int:
    """Receipts without a part look for it again; returns how many found theirs. `on_text` gets what was none."""
    return parked.rematch_due(on_text=on_text)


def pending_line_batches(*, limit: int = 50) -> list[UUID]:
    """Stored lines that nobody has recorded yet, the oldest first: their hint was lost, or they failed and are due."""
    now = rows.database_now()
    forgotten = Q(next_try_at=None, tries=0, received_at__lt=now - LINE_AFTER)
    due = Q(next_try_at__lte=now, tries__lt=TRIES)
    waiting = LineBatch.objects.filter(forgotten | due).order_by("received_at")
    return list(waiting.values_list("id", flat=True)[:limit])


def purge() -> int:
    """Delete idempotency keys after 24 h and digests of receipts after 72 h; returns how many rows."""
    now = rows.database_now()
    keys = IdempotencyKey.objects.filter(created_at__lt=now - IDEMPOTENCY_KEPT)
    total = 0
    while ids := list(keys.order_by("created_at").values_list("id", flat=True)[:PASS]):
        total += IdempotencyKey.objects.filter(id__in=ids).delete()[0]
    seen = ReceiptSeen.objects.filter(seen_at__lt=now - SEEN_KEPT)
    while numbers := list(seen.order_by("seen_at").values_list("id", flat=True)[:PASS]):
        total += ReceiptSeen.objects.filter(id__in=numbers).delete()[0]
    return total


def squash_traffic() -> int:
    """Join the traffic deltas of a key into one row; returns how many rows were saved."""
    return traffic.squash(limit=PASS)
