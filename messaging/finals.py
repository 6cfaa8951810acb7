"""The end of parts: the roll-up of their message, refunds by policy, callbacks and counts, in that lock order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.models.account import ChargeOn
from accounts.snapshot import accounts
from billing import charging
from common.ids import derive
from messaging import deliveries, status, traffic
from messaging.deliveries import Told
from messaging.models import Part, Status
from messaging.rows import MessageRow, PartRow

# Ours, where no carrier named a code.
UNKNOWN_CODE = "unk"
_NEVER_SENT = frozenset({Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A part that this transaction has moved to a final state."""

    part: PartRow
    status: Status
    at: datetime
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Close:
    message: MessageRow
    status: Status
    error_code: str
    error: str
    connector_id: int
    at: datetime


def refund_due(charge_on: str, ended: str, *, sent: bool) -> bool:
    """Whether a part that ended so gets its credits back.

    Charged on submit: on a definite failure before a carrier took it. Charged on delivery: unless delivered;
    UNKNOWN counts as not delivered, and what was refunded is never charged again (reliability, money).
    """
    if ended == Status.DELIVERED:
        return False
    if charge_on == ChargeOn.DELIVERY:
        return True
    return ended in _NEVER_SENT and not sent


def finish(ended: Sequence[Ended], messages: Mapping[UUID, MessageRow], *, now: datetime) -> None:
    """Bring the consequences of ended parts into this transaction; call it once and last, because it locks wallets.

    The caller holds the locks of `rows.lock` and has moved the parts.
    """
    if not ended:
        return
    closed = _close(_closing(ended, messages), now=now)
    deliveries.plan([_told(close) for close in closed], now=now)
    traffic.add(tally for close in closed for tally in _tallies(close))
    charging.refund(_refunds(ended, messages))


def _closing(ended: Sequence[Ended], messages: Mapping[UUID, MessageRow]) -> list[_Close]:
    last: dict[UUID, Ended] = {}
    for end in ended:
        if end.part.message_id in messages:
            last[end.part.message_id] = end
    several = [messages[key] for key in last if messages[key].parts > 1]
    siblings = _siblings(several)
    closing = []
    for key, end in last.items():
        close = _roll_up(messages[key], end, siblings[key]) if messages[key].parts > 1 else _single(messages[key], end)
        if close is not None:
            closing.append(close)
    return closing


def _single(message: MessageRow, end: Ended) -> _Close:
    return _Close(message, end.status, end.error_code, end.error, end.part.connector_id, end.at)


@dataclass(frozen=True, slots=True)
class _Sibling:
    status: str
    error_code: str
    connector_id: int


def _siblings(messages: Sequence[MessageRow]) -> dict[UUID, list[_Sibling]]:
    """The parts of these messages by id, so that partitions are pruned."""
    keys = [derive(message.id, seq) for message in messages for seq in range(1, message.parts + 1)]
    found: dict[UUID, list[_Sibling]] = defaultdict(list)
    if keys:
        rows = Part.objects.filter(id__in=keys).values_list("message_id", "status", "error_code", "connector_id")
        for message_id, state, error_code, connector_id in rows:
            found[message_id].append(_Sibling(state, error_code, connector_id))
    return found


def _roll_up(message: MessageRow, end: Ended, parts: Sequence[_Sibling]) -> _Close | None:
    statuses = [part.status for part in parts]
    if not status.all_final(statuses):
        return None
    worst = status.roll_up(statuses)
    shown = next(part for part in parts if part.status == worst)
    error = end.error if end.status == worst else ""
    return _Close(message, worst, shown.error_code, error, shown.connector_id, end.at)


_CLOSING_COLUMNS = (
    ("done_at", "timestamptz"),
    ("error_code", "varchar"),
    ("error", "varchar"),
    ("connector_id", "bigint"),
)


def _close(closing: Sequence[_Close], *, now: datetime) -> list[_Close]:
    by_status: dict[Status, list[_Close]] = defaultdict(list)
    for close in closing:
        by_status[close.status].append(close)
    moved: set[UUID] = set()
    for to in sorted(by_status):
        changes = {
            close.message.id: (close.at, close.error_code, close.error[:200], close.connector_id)
            for close in by_status[to]
        }
        moved |= status.move_messages(to, changes, columns=_CLOSING_COLUMNS)
    return [close for close in closing if close.message.id in moved]


def _late(message: MessageRow) -> bool:
    return message.status == Status.UNKNOWN


def _told(close: _Close) -> Told:
    code = close.error_code or (UNKNOWN_CODE if close.status == Status.UNKNOWN else "")
    return Told(
        message=close.message,
        status=close.status,
        error_code=code,
        connector_id=close.connector_id,
        at=close.at,
        number=deliveries.LATE if _late(close.message) else deliveries.FINAL,
    )


def _tallies(close: _Close) -> Iterable[traffic.Tally]:
    message = close.message
    if _late(message):
        yield _tally(message, message.connector_id, Status.UNKNOWN, -1)
    yield _tally(message, close.connector_id, close.status, 1)


def _tally(message: MessageRow, connector_id: int | None, measure: str, sign: int) -> traffic.Tally:
    return traffic.Tally(
        at=message.created_at,
        account_id=message.account_id,
        connector_id=connector_id,
        measure=measure,
        messages=sign,
        parts=sign * message.parts,
        amount=sign * message.price,
    )


def _refunds(ended: Sequence[Ended], messages: Mapping[UUID, MessageRow]) -> list[charging.Refund]:
    refunds = []
    failed = [end for end in ended if end.status != Status.DELIVERED]  # no need to ask for what went well
    charges = {messages[end.part.message_id].charge for end in failed if end.part.message_id in messages} - {None}
    terms = charging.terms(key for key in charges if key is not None) if charges else {}
    for end in failed:
        message = messages.get(end.part.message_id)
        if message is not None and message.charge is not None and message.unit_price > Decimal(0):
            # As it was when it was charged; entries that do not say are from before that was kept.
            charge_on = terms.get(message.charge) or _present_terms(message.account_id)
            if refund_due(charge_on, end.status, sent=end.part.submitted_at is not None):
                refunds.append(
                    charging.Refund(
                        part_id=end.part.id,
                        account_id=message.account_id,
                        amount=message.unit_price,
                        charge_id=message.charge,
                        why=str(end.status),
                    )
                )
    return refunds


def _present_terms(account_id: int) -> str:
    account = accounts().account(account_id)
    return account.charge_on if account is not None else ChargeOn.SUBMIT
