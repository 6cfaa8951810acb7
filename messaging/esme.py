"""What a message that came over a client bind carries along (Message.esme), and the words of its receipts.

Kept with the message, because a receipt must say what was true when the message was taken: the id in the style in
which it was answered, the addresses as the customer wrote them, the reference he gave.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from common.ids import range_of_short, short_number
from messaging.models import Status
from messaging.status import ACCEPTED, ENROUTE
from smpp.addresses import Address, detect_source
from smpp.constants import MessageState, RegisteredDelivery

STYLE_UUID, STYLE_DEC, STYLE_HEX = "uuid", "dec", "hex"
_HEX_DIGITS: Final = 16
_LARGEST_SHORT: Final = 2**63 - 1
_UUID_LENGTHS: Final = (32, 36)
LONGEST_TEXT: Final = 20  # characters of the message that a receipt repeats

STATES: Final[dict[str, MessageState]] = {
    Status.SCHEDULED: MessageState.SCHEDULED,
    Status.QUEUED: MessageState.ENROUTE,
    Status.SUBMITTING: MessageState.ENROUTE,
    Status.UNCERTAIN: MessageState.ENROUTE,
    Status.SUBMITTED: MessageState.ENROUTE,
    Status.DELIVERED: MessageState.DELIVERED,
    Status.UNDELIVERED: MessageState.UNDELIVERABLE,
    Status.FAILED: MessageState.UNDELIVERABLE,
    Status.EXPIRED: MessageState.EXPIRED,
    Status.REJECTED: MessageState.REJECTED,
    Status.BLOCKED: MessageState.REJECTED,
    Status.CANCELLED: MessageState.DELETED,
    Status.DELETED: MessageState.DELETED,
    Status.UNKNOWN: MessageState.UNKNOWN,
    ENROUTE: MessageState.ENROUTE,
    ACCEPTED: MessageState.ENROUTE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitNotes:
    """How the customer asked: `registered` are the bits of registered_delivery, `group` the id that a submit_multi
    was answered with, `reference` the user_message_reference, `source` value, TON and NPI, `destination` TON and NPI.
    `data_coding` and `protocol_id` go out as they came, where ours would differ. `own_alphabet`: the text came in the
    client's default alphabet, of which the encoding that was chosen for it tells nothing. `ends_by_clock`: its
    validity was given as a moment.
    """

    registered: int = RegisteredDelivery.NONE
    id_style: str = STYLE_UUID
    group: UUID | None = None
    reference: int | None = None
    source: tuple[str, int, int] | None = None
    destination: tuple[int, int] | None = None
    data_coding: int | None = None
    protocol_id: int = 0
    own_alphabet: bool = False
    ends_by_clock: bool = False

    def packed(self) -> dict[str, Any]:
        """As it is stored: short names, because every message carries it, and nothing that is as usual."""
        found: dict[str, Any] = {"reg": int(self.registered)}
        if self.id_style != STYLE_UUID:
            found["id"] = self.id_style
        if self.group is not None:
            found["of"] = self.group.hex
        for name, value in (("ref", self.reference), ("src", self.source), ("dst", self.destination)):
            if value is not None:
                found[name] = value
        if self.data_coding is not None:
            found["dcs"] = self.data_coding
        if self.protocol_id:
            found["pid"] = self.protocol_id
        if self.own_alphabet:
            found["own"] = 1
        return with_end(found, by_clock=self.ends_by_clock)


def with_end(packed: dict[str, Any], *, by_clock: bool) -> dict[str, Any]:
    """The stored notes of a message with a new validity."""
    others = {name: value for name, value in packed.items() if name != "end"}
    return {**others, "end": 1} if by_clock else others


def unpacked(stored: dict[str, Any] | None) -> SubmitNotes:
    """What was stored; a message without notes wants a receipt, as every message does."""
    if not stored:
        return SubmitNotes(registered=RegisteredDelivery.ALWAYS)
    source, destination = stored.get("src"), stored.get("dst")
    return SubmitNotes(
        registered=stored.get("reg", 0),
        id_style=stored.get("id", STYLE_UUID),
        group=UUID(stored["of"]) if "of" in stored else None,
        reference=stored.get("ref"),
        source=(source[0], source[1], source[2]) if source else None,
        destination=(destination[0], destination[1]) if destination else None,
        data_coding=stored.get("dcs"),
        protocol_id=stored.get("pid", 0),
        own_alphabet="own" in stored,
        ends_by_clock="end" in stored,
    )


def id_text(message_id: UUID, style: str) -> str:
    """The id as the customer reads it: 36 characters, at most 19 decimal or 16 hexadecimal digits."""
    if style == STYLE_DEC:
        return str(short_number(message_id))
    if style == STYLE_HEX:
        return f"{short_number(message_id):0{_HEX_DIGITS}x}"
    return str(message_id)


def parse_id(text: str, style: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that the text may mean, or None when it is no id; a UUID is read in every style."""
    try:
        if len(text) in _UUID_LENGTHS:
            exact = UUID(text)
            return exact, exact
        if style == STYLE_UUID or not text.isascii() or not text.isalnum():
            return None
        number = int(text, 16 if style == STYLE_HEX else 10)
    except ValueError:
        return None
    return range_of_short(number) if 0 <= number <= _LARGEST_SHORT else None


def wants_receipt(registered: int, status: str, *, final: bool) -> bool:
    """Whether this event is told (SMPP 3.4 §5.2.17): 1 every end, 2 failures only, +0x10 that it is under way."""
    if not final:
        return bool(registered & RegisteredDelivery.INTERMEDIATE)
    asked = registered & RegisteredDelivery.RECEIPT_MASK
    if asked == RegisteredDelivery.ON_FAILURE:
        return status != Status.DELIVERED
    return asked == RegisteredDelivery.ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """What a receipt to a client says. `source` is the phone, `destination` the customer's sender."""

    message_id: str
    state: MessageState
    submitted: datetime
    done: datetime
    err: str
    sub: int
    text: str
    source: Address
    destination: Address
    reference: int | None

    def dumped(self) -> str:
        """The body of its Delivery row."""
        values = [
            self.message_id,
            int(self.state),
            int(self.submitted.timestamp()),
            int(self.done.timestamp()),
            self.err,
            self.sub,
            self.text,
            [self.source.value, self.source.ton, self.source.npi],
            [self.destination.value, self.destination.ton, self.destination.npi],
            self.reference,
        ]
        return json.dumps(dict(zip(_NAMES, values, strict=True)), separators=(",", ":"), ensure_ascii=False)


_NAMES: Final = ("id", "state", "submitted", "done", "err", "sub", "text", "src", "dst", "ref")


def load_receipt(body: str) -> ReceiptFacts:
    """The facts of a Delivery's body; raises ValueError or KeyError for another body."""
    found = json.loads(body)
    return ReceiptFacts(
        message_id=found["id"],
        state=MessageState(found["state"]),
        submitted=datetime.fromtimestamp(found["submitted"], UTC),
        done=datetime.fromtimestamp(found["done"], UTC),
        err=found["err"],
        sub=found["sub"],
        text=found["text"],
        source=Address(*found["src"]),
        destination=Address(*found["dst"]),
        reference=found["ref"],
    )


def sender_address(notes: SubmitNotes, sender: str) -> Address:
    """The customer's sender as he wrote it, or as it was chosen for him."""
    return Address(*notes.source) if notes.source else detect_source(sender)


def error_word(code: str) -> str:
    """Three characters for `err:`; longer codes lose their first digits, as handsets' codes mean their last."""
    digits = code.strip()
    if digits.isascii() and digits.isdigit():
        return digits[-3:].zfill(3)
    letters = "".join(character for character in digits if character.isascii() and character.isalnum())
    return letters[-3:].zfill(3) if letters else "000"
