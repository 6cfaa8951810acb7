"""Messages after acceptance for the tests: rows as the intake leaves them, and what a bind and a carrier say."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import charging
from common.ids import derive, new_id
from messaging import claims, leases, outcomes, receipts
from messaging.models import Delivery, LineBatch, Message, Part, Receipt, Status
from messaging.outcomes import SUBMITTED, SubmitResult
from smpp.addresses import Address
from smpp.codec import encode
from smpp.constants import MessageState
from smpp.pdu import DeliverSm
from smpp.receipts import write_receipt
from tests.support.cast import NUMBER, Cast

SENDER = "GATEWAY"
URL = "https://customer.example/dlr"


def now() -> datetime:
    return datetime.now(UTC)


def past() -> datetime:
    """A moment that is over for every clock, also for one that counts milliseconds."""
    return now() - timedelta(seconds=1)


def accepted(
    cast: Cast, *, parts: int = 1, lane: str = "transactional", hops: tuple[int, ...] = (), **fields: Any
) -> Message:
    """A charged message as the intake commits it; fields of both rows may be given."""
    price = Decimal(parts)
    charge = new_id()
    moment = now()
    shared = {
        "status": Status.QUEUED,
        "connector_id": cast.connector.pk,
        "expires_at": moment + timedelta(days=1),
        **{key: fields.pop(key) for key in ("status", "expires_at", "send_at", "connector_id") if key in fields},
    }
    values = {
        "sender": SENDER,
        "recipient": NUMBER,
        "content": "Hello",
        "encoding": "gsm7",
        "source": "api",
        "dlr_url": URL,
        "unit_price": Decimal(1),
        "created_at": moment,
        **fields,
    }
    with transaction.atomic():
        message = Message.objects.create(
            account=cast.account,
            api_client=cast.client,
            parts=parts,
            lane=lane,
            price=price,
            charge=charge,
            route={"profile": 1, "route": 1, "prefix": "", "hops": list(hops or (cast.connector.pk,))},
            **shared,
            **values,
        )
        Part.objects.bulk_create(
            Part(id=derive(message.id, seq), message_id=message.id, seq=seq, lane=lane, **shared)
            for seq in range(1, parts + 1)
        )
        refused = charging.charge(
            [
                charging.Charge(
                    ledger_id=charge,
                    account_id=cast.account.pk,
                    amount=price,
                    parts=parts,
                    source="api",
                    pays_on=cast.account.charge_on,
                )
            ]
        )
        assert not refused
    return message


def part_of(message: Message, seq: int = 1) -> Part:
    return Part.objects.get(id=derive(message.id, seq))


def state_of(message: Message, seq: int = 1) -> str:
    return part_of(message, seq).status


def shown(message: Message) -> Message:
    return Message.objects.get(id=message.id)


def told(message: Message) -> list[Delivery]:
    return list(Delivery.objects.filter(subject=message.id).order_by("id"))


@dataclass
class Line:
    """A bind that owns its lease."""

    connector_id: int
    fence: int
    bind_no: int = 1
    lane: str = "transactional"

    def claim(self, ids: list[UUID] | None = None, limit: int = 100) -> list[claims.ClaimedPart]:
        return claims.claim(
            connector_id=self.connector_id,
            lane=self.lane,
            bind_no=self.bind_no,
            fence=self.fence,
            ids=ids,
            limit=limit,
        )

    def result(self, part_id: UUID, kind: str = SUBMITTED, **fields: Any) -> SubmitResult:
        return SubmitResult(part_id=part_id, kind=kind, **{"fence": self.fence, "at": now(), **fields})

    def record(self, *results: SubmitResult) -> None:
        outcomes.record(connector_id=self.connector_id, bind_no=self.bind_no, results=results)

    def answer(self, message: Message, kind: str = SUBMITTED, *, seq: int = 1, **fields: Any) -> None:
        if kind == SUBMITTED:
            fields.setdefault("provider_id", f"{message.id.hex[:24]}-{seq}")
        self.record(self.result(derive(message.id, seq), kind, **fields))

    def hear(self, *pdus: bytes, texts: list[receipts.TextPdu] | None = None) -> UUID:
        heard = texts if texts is not None else []
        batch = receipts.store(self.connector_id, self.bind_no, list(pdus))
        receipts.record_line_events([batch], on_text=heard.extend)
        return batch


def bind(cast: Cast, *, bind_no: int = 1, lane: str = "transactional", connector_id: int | None = None) -> Line:
    """A bind that has just taken its lease."""
    connector_id = connector_id or cast.connector.pk
    lease = leases.acquire(connector_id, bind_no, f"worker-{new_id()}")
    assert lease is not None
    return Line(connector_id, lease.fence, bind_no, lane)


def sent(cast: Cast, line: Line, *, parts: int = 1, **fields: Any) -> Message:
    """A message whose parts the carrier has taken under `<hex>-<seq>`."""
    message = accepted(cast, parts=parts, lane=line.lane, **fields)
    line.claim([derive(message.id, seq) for seq in range(1, parts + 1)])
    for seq in range(1, parts + 1):
        line.answer(message, seq=seq)
    return message


def receipt(
    provider_id: str,
    state: MessageState = MessageState.DELIVERED,
    *,
    err: str = "000",
    done: datetime | None = None,
    recipient: str = NUMBER,
    sender: str = SENDER,
) -> bytes:
    """The octets of a carrier's receipt."""
    moment = done or now()
    return encode(
        write_receipt(
            message_id=provider_id,
            state=state,
            submitted=moment,
            done=moment,
            source=Address(recipient, 1, 1),
            destination=Address(sender, 5, 0),
            err=err,
        )
    )


def unmarked(provider_id: str, stat: str = "DELIVRD") -> bytes:
    """A receipt that only its words tell from a text: esm_class 0 and no TLVs."""
    words = f"id:{provider_id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:{stat} err:000 text:"
    return encode(DeliverSm(source_addr=NUMBER, destination_addr=SENDER, short_message=words.encode()))


def receipt_for(
    message: Message, state: MessageState = MessageState.DELIVERED, *, seq: int = 1, **fields: Any
) -> bytes:
    return receipt(f"{message.id.hex[:24]}-{seq}", state, **fields)


def stored_receipts() -> list[Receipt]:
    return list(Receipt.objects.order_by("id"))


def waiting_lines() -> int:
    return LineBatch.objects.count()
