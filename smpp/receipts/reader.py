"""Reads a receipt whatever the vendor made of it: TLVs first, then the text."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from smpp.constants import DataCoding, EsmClass, MessageState, Tag
from smpp.pdu import DataSm, DeliverSm, Pdu
from smpp.receipts.scanner import count_digits, parse_count, parse_date, scan
from smpp.receipts.words import is_final, state_of_word

_RECEIPT_TYPES = (EsmClass.SMSC_RECEIPT, EsmClass.INTERMEDIATE)


@dataclass(frozen=True, slots=True)
class NetworkError:
    """TLV network_error_code: `network_type` 3 is GSM (SMPP 3.4 §5.3.2.31)."""

    network_type: int
    code: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says. Both ids are kept, because vendors let them differ; the TLV wins.

    `state` is UNKNOWN when nothing could be read; `stat` is the word as it came.
    """

    id_tlv: str | None
    id_text: str | None
    state: MessageState
    final: bool
    stat: str
    err: str | None
    network_error: NetworkError | None
    submitted: datetime | None
    done: datetime | None
    sub: int | None
    dlvrd: int | None
    text: str
    raw: bytes
    done_digits: int  # of `done date` as written: 10, 12 or 14; 0 where it is missing

    @property
    def message_id(self) -> str:
        """The id to match by: of the TLV, else of the text, else empty."""
        return self.id_tlv or self.id_text or ""


def is_receipt(pdu: Pdu) -> bool:
    """Say whether a deliver_sm or data_sm is a receipt of the SMSC.

    With esm_class 0 the receipt must be unmistakable: its TLVs, or a text with `id:`, a known `stat:` and
    one more field, so that a person's text message is not taken for one.
    """
    if not isinstance(pdu, DeliverSm | DataSm):
        return False
    kind = pdu.esm_class & EsmClass.TYPE_MASK
    if kind in _RECEIPT_TYPES:
        return True
    if kind:
        return False
    if pdu.tlvs.has(Tag.RECEIPTED_MESSAGE_ID) or pdu.tlvs.has(Tag.MESSAGE_STATE):
        return True
    return _looks_like_receipt(_text(pdu, _payload(pdu)))


def read_receipt(pdu: Pdu, *, zone: tzinfo = UTC) -> Receipt | None:
    """Return the receipt, or None if `pdu` is none; raises nothing.

    `zone` is the vendor's clock for the dates of the text, which name no offset.
    """
    if not is_receipt(pdu):
        return None
    raw = _payload(pdu)
    found = scan(_text(pdu, raw))
    stat = found.get("stat", "")
    state = _state(pdu, stat)
    return Receipt(
        id_tlv=pdu.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) or None,
        id_text=found.get("id") or None,
        state=state,
        final=is_final(state),
        stat=stat,
        err=found.get("err") or None,
        network_error=_network_error(pdu),
        submitted=parse_date(found.get("submitdate", ""), zone),
        done=parse_date(found.get("donedate", ""), zone),
        sub=parse_count(found.get("sub", "")),
        dlvrd=parse_count(found.get("dlvrd", "")),
        text=found.get("text", ""),
        raw=raw,
        done_digits=count_digits(found.get("donedate", "")),
    )


def _payload(pdu: Pdu) -> bytes:
    message: bytes = getattr(pdu, "short_message", b"")
    message = message or pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD) or b""
    if getattr(pdu, "esm_class", 0) & EsmClass.UDHI and message:
        return message[message[0] + 1 :]
    return message


def _text(pdu: Pdu, raw: bytes) -> str:
    coding = getattr(pdu, "data_coding", 0)
    # Some vendors send UCS-2 and say data_coding 0.
    if coding == DataCoding.UCS2 or b"\0i\0d\0:" in raw.lower():
        return raw.decode("utf-16-be", errors="replace")
    return raw.decode("latin-1")


def _looks_like_receipt(text: str) -> bool:
    found = scan(text)
    more = found.keys() & {"sub", "dlvrd", "submitdate", "donedate", "err"}
    return bool(found.get("id")) and state_of_word(found.get("stat", "")) is not None and bool(more)


def _state(pdu: Pdu, stat: str) -> MessageState:
    number = pdu.tlvs.integer(Tag.MESSAGE_STATE)
    if number is not None and number in MessageState.__members__.values():
        return MessageState(number)
    state = state_of_word(stat)
    return MessageState.UNKNOWN if state is None else state


def _network_error(pdu: Pdu) -> NetworkError | None:
    raw = pdu.tlvs.raw(Tag.NETWORK_ERROR_CODE)
    if raw is None or len(raw) != 3:
        return None
    return NetworkError(raw[0], int.from_bytes(raw[1:], "big"))
