"""The messages that the carrier has taken, kept up to a limit so that tests and query_sm can look."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.gsm import Concat, Encoding, decode, read_concat, read_udh
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import SubmitSm
from workers.simulator.magic import Plan
from workers.simulator.styles import Style

_ENCODINGS = {
    0x00: Encoding.GSM7,
    0x10: Encoding.GSM7,
    0xF0: Encoding.GSM7,
    0x01: Encoding.ASCII,
    0x03: Encoding.LATIN1,
    0x08: Encoding.UCS2,
    0x18: Encoding.UCS2,
}


@dataclass(slots=True, eq=False, kw_only=True)
class Message:
    """One accepted message. `at` and `ends_at` are loop seconds; `session` numbers the SMPP session.

    `repeat`: the same addresses, text and concatenation header had been accepted before.
    """

    message_id: str
    number: int
    system_id: str
    session: int
    pdu: SubmitSm
    plan: Plan
    styles: tuple[Style, ...]
    received_at: datetime
    at: float
    repeat: bool = False
    outcome: MessageState = MessageState.DELIVERED
    err: str = "000"
    ends_at: float = math.inf

    @property
    def source(self) -> str:
        """The sender's address."""
        return self.pdu.source_addr

    @property
    def destination(self) -> str:
        """The handset's number."""
        return self.pdu.destination_addr

    @property
    def body(self) -> bytes:
        """User data with its header, from short_message or message_payload."""
        return body_of(self.pdu)

    @property
    def user_data(self) -> bytes:
        """User data without its header."""
        return read_udh(self.body)[1] if self.pdu.esm_class & EsmClass.UDHI else self.body

    @property
    def text(self) -> str:
        """The decoded text; octets of an unknown data_coding as Latin-1."""
        return decode(self.user_data, _ENCODINGS.get(self.pdu.data_coding, Encoding.BINARY))

    @property
    def concat(self) -> Concat | None:
        """Which part of which long message this is, by header or by the sar TLVs."""
        return concat_of(self.pdu)

    def state_at(self, now: float) -> MessageState:
        """ENROUTE until its end has come."""
        return self.outcome if now >= self.ends_at else MessageState.ENROUTE

    def as_dict(self) -> dict[str, Any]:
        """What a checker outside of this process wants to know, as JSON values."""
        concat = self.concat
        return {
            "message_id": self.message_id,
            "system_id": self.system_id,
            "session": self.session,
            "source": self.source,
            "destination": self.destination,
            "text": self.text,
            "concat": list(concat) if concat else None,
            "data_coding": self.pdu.data_coding,
            "esm_class": self.pdu.esm_class,
            "registered_delivery": self.pdu.registered_delivery,
            "tlvs": [[f"0x{tag:04X}", value.hex()] for tag, value in self.pdu.tlvs],
            "received_at": self.received_at.isoformat(),
            "outcome": self.outcome.name,
            "repeat": self.repeat,
        }


def body_of(pdu: SubmitSm) -> bytes:
    """The user data of a message, wherever it travels."""
    payload = pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD) if pdu.tlvs else None
    return pdu.short_message if payload is None else payload


def concat_of(pdu: SubmitSm) -> Concat | None:
    """Concatenation by user data header, else by TLV (SMPP 3.4 §5.3.2.22 to 24)."""
    if pdu.esm_class & EsmClass.UDHI:
        return read_concat(read_udh(body_of(pdu))[0])
    if not pdu.tlvs:
        return None
    tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    numbers = [pdu.tlvs.integer(tag) for tag in tags]
    return Concat(*[number for number in numbers if number is not None]) if None not in numbers else None


class Record:
    """The last `limit` messages, by id and in order."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._order: deque[Message] = deque()
        self._by_id: dict[str, Message] = {}

    def add(self, message: Message) -> None:
        """Keep the message, forget the oldest beyond the limit."""
        if len(self._order) >= self._limit:
            oldest = self._order.popleft()
            if self._by_id.get(oldest.message_id) is oldest:
                del self._by_id[oldest.message_id]
        self._order.append(message)
        self._by_id[message.message_id] = message

    def get(self, message_id: str) -> Message | None:
        """The message with this id, if it is still kept."""
        return self._by_id.get(message_id)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)
