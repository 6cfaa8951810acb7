"""The life of one message, told from the rows that exist anyway, in the order of time."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from accounts.snapshot import accounts
from billing.models import LedgerEntry
from common.errors import Code, Rejected
from common.ids import derive, floor_at
from messaging import status
from messaging.deliveries import MASK, timestamp
from messaging.lines import line_name
from messaging.models import Attempt, Delivery, DeliveryAttempt, Message, MessageEvent, Part, Receipt, Status
from messaging.receipts.shared import BY_SIBLING
from smpp.statuses import status_name

_NOT_TAKEN = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN})

Entry = dict[str, Any]


def trace(account_id: int | None, message_id: UUID) -> list[Entry]:
    """What happened to a message: dicts with `at` (ISO 8601), `kind`, `part` (number or None) and details.

    `account_id` None is for staff, who see costs, raw PDUs and the provider's ids; a customer sees them only of
    lines that are not masked for the account, and never a cost. Raises Rejected NOT_FOUND for what is not theirs.
    """
    scope = {} if account_id is None else {"account_id": account_id}
    message = Message.objects.filter(id=message_id, **scope).first()
    if message is None:
        raise Rejected(Code.NOT_FOUND, "There is no such message.")
    return _Teller(message, staff=account_id is None).tell()


class _Teller:
    """One message's rows and who reads them."""

    def __init__(self, message: Message, *, staff: bool) -> None:
        account = accounts().account(message.account_id)
        self._message, self._staff = message, staff
        self._masked = not staff and (account is None or account.mask_connector)
        keys = [derive(message.id, seq) for seq in range(1, message.parts + 1)]
        self._parts = {part.id: part for part in Part.objects.filter(id__in=keys).order_by("id")}
        self._floor = floor_at(message.created_at)

    def tell(self) -> list[Entry]:
        told = [
            *self._accepted(),
            *self._money(),
            *self._attempts(),
            *self._sent(),
            *self._receipts(),
            *self._ended(),
            *self._deliveries(),
            *self._events(),
        ]
        # Sorting is stable, so that what shares a moment, as it is shown, stays in the order of life: clocks and stores
        # differ by less than a millisecond, and not every store keeps more.
        return sorted([{**entry, "at": timestamp(entry["at"])} for entry in told], key=itemgetter("at"))

    def _line(self, connector_id: int | None) -> str:
        return MASK if self._masked else line_name(connector_id)

    def _number(self, part_id: UUID | None) -> int | None:
        part = self._parts.get(part_id) if part_id is not None else None
        return part.seq if part is not None else None

    def _accepted(self) -> Iterator[Entry]:
        message = self._message
        entry = _entry(
            message.created_at,
            "accepted",
            source=message.source,
            sender=message.sender,
            to=message.recipient,
            parts=message.parts,
            encoding=message.encoding,
            lane=message.lane,
            price=str(message.price),
            connector=self._line(message.connector_id),
        )
        if message.send_at is not None:
            entry["send_at"] = timestamp(message.send_at)
        if not self._masked:
            entry["route"] = message.route
        if self._staff:
            entry["cost"] = str(message.cost)
        yield entry

    def _money(self) -> Iterator[Entry]:
        keys = [f"ref:{part_id.hex}" for part_id in self._parts]
        for line in LedgerEntry.objects.filter(id=self._message.charge) if self._message.charge else ():
            yield _entry(line.created_at, "charged", amount=str(self._message.price), entry=str(line.id))
        for line in LedgerEntry.objects.filter(key__in=keys):
            part = self._number(UUID(line.key.removeprefix("ref:")))
            yield _entry(line.created_at, "refunded", part, amount=str(line.amount), entry=str(line.id))

    def _attempts(self) -> Iterator[Entry]:
        for tried in Attempt.objects.filter(part_id__in=self._parts, id__gte=self._floor).order_by("id"):
            entry = _entry(
                tried.ended_at,
                "attempt",
                self._number(tried.part_id),
                number=tried.number,
                connector=self._line(tried.connector_id),
                outcome=tried.outcome,
                status=status_name(tried.command_status) if tried.command_status is not None else "",
                error=tried.error,
            )
            if tried.started_at is not None:
                entry["started_at"] = timestamp(tried.started_at)
            yield entry

    def _sent(self) -> Iterator[Entry]:
        for part in self._parts.values():
            line = self._line(part.connector_id)
            if part.claimed_at is not None:
                yield _entry(part.claimed_at, "claimed", part.seq, connector=line)
            if part.submitted_at is not None and part.status not in _NOT_TAKEN:  # else an attempt tells of it
                entry = _entry(part.submitted_at, "submitted", part.seq, connector=line)
                if not self._masked:
                    entry["provider_id"] = part.provider_id
                if part.possible_duplicate:
                    entry["possible_duplicate"] = True
                yield entry

    def _receipts(self) -> Iterator[Entry]:
        for receipt in Receipt.objects.filter(part_id__in=self._parts, id__gte=self._floor).order_by("id"):
            entry = _entry(
                receipt.received_at,
                "receipt",
                self._number(receipt.part_id),
                status=status.told(receipt.status),
                error_code=receipt.error_code,
                state=receipt.state,
                matched_by=receipt.matched_by,
                submit_date=receipt.submit_date,
                done_date=receipt.done_date,
                connector=self._line(receipt.connector_id),
            )
            if not self._masked:
                entry |= {"raw": receipt.raw, "provider_id": receipt.provider_id}
            yield entry

    def _ended(self) -> Iterator[Entry]:
        for part in self._parts.values():
            if part.done_at is not None:
                entry = _entry(
                    part.done_at, "part_ended", part.seq, status=status.told(part.status), error_code=part.error_code
                )
                if part.matched_by == BY_SIBLING:
                    entry["by"] = BY_SIBLING  # else a receipt of its own tells of it
                yield entry
        message = self._message
        if message.done_at is not None:
            yield _entry(
                message.done_at,
                "ended",
                status=status.told(message.status),
                error_code=message.error_code,
                error=message.error,
            )

    def _deliveries(self) -> Iterator[Entry]:
        found = list(Delivery.objects.filter(subject=self._message.id, id__gte=self._floor).order_by("id"))
        for delivery in found:
            yield _entry(delivery.created_at, "callback", event=str(delivery.id), url=delivery.url, body=delivery.body)
            if delivery.done_at is not None:
                yield _entry(
                    delivery.done_at,
                    "callback_ended",
                    event=str(delivery.id),
                    state=delivery.state,
                    tries=delivery.tries,
                    code=delivery.last_code,
                    error=delivery.last_error,
                )
        yield from _tries(delivery.id for delivery in found)

    def _events(self) -> Iterator[Entry]:
        for event in MessageEvent.objects.filter(message_id=self._message.id, id__gte=self._floor).order_by("id"):
            details = event.data if not self._masked else {}
            yield _entry(event.at, event.kind, self._number(event.part_id), details=details)


def _tries(delivery_ids: Iterable[UUID]) -> Iterator[Entry]:
    for tried in DeliveryAttempt.objects.filter(delivery_id__in=list(delivery_ids)).order_by("id"):
        yield _entry(
            tried.at,
            "callback_try",
            event=str(tried.delivery_id),
            number=tried.number,
            code=tried.code,
            error=tried.error,
            milliseconds=tried.milliseconds,
        )


def _entry(at: datetime, kind: str, part: int | None = None, **details: Any) -> Entry:
    return {"at": at, "kind": kind, "part": part, **details}
