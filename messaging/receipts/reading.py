"""From the octets of a deliver_sm or data_sm to the facts of a receipt; no database."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from common.ids import new_id
from connectors.snapshot import ConnectorView
from messaging.models import Receipt, Status
from messaging.receipts.keys import Side, bounded, provider_key
from messaging.status import ACCEPTED, ENROUTE
from smpp import receipts as wire
from smpp.codec import decode
from smpp.constants import DataCoding, EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm, Pdu

# What a carrier's state means for a part (spec/smpp.md 5.6); UNKNOWN settles nothing, its grace time does.
WORDS: dict[MessageState, str] = {
    MessageState.SCHEDULED: ENROUTE,
    MessageState.ENROUTE: ENROUTE,
    MessageState.DELIVERED: Status.DELIVERED,
    MessageState.EXPIRED: Status.EXPIRED,
    MessageState.DELETED: Status.DELETED,
    MessageState.UNDELIVERABLE: Status.UNDELIVERED,
    MessageState.ACCEPTED: ACCEPTED,
    MessageState.UNKNOWN: Status.UNKNOWN,
    MessageState.REJECTED: Status.REJECTED,
    MessageState.SKIPPED: Status.UNDELIVERED,
}


@dataclass(slots=True)
class Fact:
    """One receipt: what it says, and (from `state` on) what we made of it."""

    id: UUID
    connector_id: int
    bind_no: int | None
    carrier_account: str
    provider_id: str
    provider_key: str
    other_key: str  # of the text's id, where the TLV's differs
    status: str
    error_code: str
    source: str
    destination: str
    submit_date: str
    done_date: str
    raw: str
    received_at: datetime
    certain: bool  # marked as a receipt; otherwise it only looks like one and must match a part of ours
    state: str = Receipt.State.PARKED
    part_id: UUID | None = None
    matched_by: str = ""
    next_try_at: datetime | None = None
    tries: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """Ids to look for, the best first."""
        if self.other_key:
            return (self.provider_key, self.other_key) if self.provider_key else (self.other_key,)
        return (self.provider_key,) if self.provider_key else ()

    @property
    def digest(self) -> bytes:
        """Of all that makes a repeated receipt a repeated one: id, state, done date, error."""
        text = "\0".join((self.provider_id, self.status, self.done_date, self.error_code))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPdu:
    """A deliver_sm or data_sm that is no receipt: a text from a handset."""

    connector_id: int
    bind_no: int
    received_at: datetime
    pdu: Pdu
    raw: bytes


OnText = Callable[[list[TextPdu]], None]
"""What keeps texts from handsets, in the caller's transaction."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The bind over which PDUs came, and when."""

    line: ConnectorView
    bind_no: int
    received_at: datetime


def read(raw: bytes, origin: Origin, key: UUID | None = None) -> Fact | TextPdu:
    """What one PDU is, as a receipt under the id `key`; raises smpp.errors.PduError when it cannot be read."""
    pdu = decode(raw)
    usual = _usual(pdu, raw, origin, key)
    return read_carefully(pdu, raw, origin, key) if usual is None else usual


def read_carefully(pdu: Pdu, raw: bytes, origin: Origin, key: UUID | None = None) -> Fact | TextPdu:
    """As `read`, for a PDU of any form."""
    found = wire.read_receipt(pdu)
    if found is None:
        return text_of(raw, origin, pdu)
    return _fact(pdu, found, raw, origin, key)


def _usual(pdu: Pdu, raw: bytes, origin: Origin, given: UUID | None) -> Fact | None:
    """A receipt by appendix B to the letter, with the two TLVs or without: read at once, a third of the careful way.

    None for everything else. A test holds both ways to the same answer.
    """
    if type(pdu) is not DeliverSm or pdu.esm_class != EsmClass.SMSC_RECEIPT or pdu.data_coding == DataCoding.UCS2:
        return None
    text = pdu.short_message.decode("latin-1")
    found = None if "\0" in text else wire.USUAL.fullmatch(text)
    tlv_id: str | None = None
    state = None
    for tag, value in pdu.tlvs:
        if tag == Tag.RECEIPTED_MESSAGE_ID and tlv_id is None:
            tlv_id = value.partition(b"\0")[0].decode("latin-1")
        elif tag == Tag.MESSAGE_STATE and state is None and len(value) == 1:
            state = value[0]
        else:
            return None
    if found is None:
        return None
    written, _, _, submitted, done, stat, error, _ = found.groups()
    line, named = origin.line, tlv_id or written
    key = provider_key(named, line.id_rule, side=Side.RECEIPT)
    other = key if named == written else provider_key(written, line.id_rule, side=Side.RECEIPT)
    return Fact(
        id=given or new_id(),
        connector_id=line.id,
        bind_no=origin.bind_no,
        carrier_account=line.carrier_account,
        provider_id=bounded(named),
        provider_key=key,
        other_key=other if other != key else "",
        status=WORDS.get(state) or _word(stat),  # type: ignore[call-overload]  # numbers are members
        error_code=error[:16] if error[:16].strip("0") else "",
        source=_clean(pdu.source_addr, 21),
        destination=_clean(pdu.destination_addr, 21),
        submit_date=_rewritten(submitted),
        done_date=_rewritten(done),
        raw=raw.hex(),
        received_at=origin.received_at,
        certain=True,
    )


@lru_cache(maxsize=4096)
def _rewritten(digits: str) -> str:
    """The receipts of a minute name the same few dates."""
    return _digits(wire.parse_date(digits))


@lru_cache(maxsize=256)
def _word(stat: str) -> str:
    return WORDS[wire.state_of_word(stat) or MessageState.UNKNOWN]


def text_of(raw: bytes, origin: Origin, pdu: Pdu | None = None) -> TextPdu:
    """The PDU as a text from a handset."""
    return TextPdu(
        connector_id=origin.line.id,
        bind_no=origin.bind_no,
        received_at=origin.received_at,
        pdu=decode(raw) if pdu is None else pdu,
        raw=raw,
    )


def _fact(pdu: Pdu, found: wire.Receipt, raw: bytes, origin: Origin, given: UUID | None) -> Fact:
    rule = origin.line.id_rule
    key, other = (
        provider_key(value, rule, side=Side.RECEIPT) if value else ""
        for value in (found.message_id, found.id_text or "")
    )
    return Fact(
        id=given or new_id(),
        connector_id=origin.line.id,
        bind_no=origin.bind_no,
        carrier_account=origin.line.carrier_account,
        provider_id=bounded(found.message_id),
        provider_key=key,
        other_key=other if other != key else "",
        status=WORDS[found.state],
        error_code=_error(found),
        source=_clean(getattr(pdu, "source_addr", ""), 21),
        destination=_clean(getattr(pdu, "destination_addr", ""), 21),
        submit_date=_digits(found.submitted),
        done_date=_digits(found.done),
        raw=raw.hex(),
        received_at=origin.received_at,
        certain=_marked(pdu),
    )


def _marked(pdu: Pdu) -> bool:
    kind = getattr(pdu, "esm_class", 0) & EsmClass.TYPE_MASK
    return bool(kind) or pdu.tlvs.has(Tag.RECEIPTED_MESSAGE_ID) or pdu.tlvs.has(Tag.MESSAGE_STATE)


def _error(found: wire.Receipt) -> str:
    """The carrier's code, of the text before that of the TLV; nothing where it says that there is none."""
    code = _clean(found.err or "", 16)
    if not code and found.network_error is not None:
        code = f"{found.network_error.code:03}"
    return "" if not code.strip("0") else code


def _digits(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S") if moment is not None else ""


def _clean(text: str, length: int) -> str:
    return text.replace("\0", "")[:length]
