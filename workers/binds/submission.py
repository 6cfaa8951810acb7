"""A claimed part as submit_sm, in the connector's alphabet, header style and TLVs."""

from datetime import datetime, timedelta
from typing import Any

from common import gsm
from common.gsm import Encoding
from connectors.models import Alphabet, LongMessages
from connectors.snapshot import ConnectorView
from messaging import tlv_names
from messaging.claims import ClaimedPart
from messaging.receipts import shared
from smpp import addresses
from smpp.constants import EsmClass, Tag
from smpp.pdu import SubmitSm
from smpp.times import format_relative

PRIORITY = {"otp": 3, "transactional": 1, "bulk": 0}
ASK_FOR_RECEIPT = 1
MIN_VALIDITY = timedelta(seconds=60)  # SMSCs refuse less; our own expiry still holds before the send


def submit_sm(part: ClaimedPart, connector: ConnectorView, now: datetime, *, whole: bool = False) -> SubmitSm:
    """One submit_sm of a part, or of its `whole` message in message_payload.

    Raises ValueError (gsm.UnencodableText is one) or smpp FieldError when it cannot be written this way.
    """
    pdu = _envelope(part, connector, now)
    if whole or _asks(part, connector):
        pdu.registered_delivery = ASK_FOR_RECEIPT
    header = bytes.fromhex(part.udh)
    if part.total > 1 and not whole:
        header = _concatenate(pdu, part, connector, header)
    encoding = Encoding(part.encoding)
    notes = part.esme or {}
    pdu.data_coding = notes["dcs"] if "dcs" in notes else gsm.data_coding(encoding, flash=part.flash)
    pdu.protocol_id = notes.get("pid", 0)
    segment = _segment(part, encoding, connector, header, whole)
    if header:
        pdu.esm_class |= EsmClass.UDHI
    if whole:
        pdu.tlvs.add(Tag.MESSAGE_PAYLOAD, header + segment)
    else:
        pdu.short_message = header + segment
    for name, value in (part.tlvs or {}).items():
        tag, raw = _vendor_tlv(connector, name, value)
        pdu.tlvs.add(tag, raw)
    return pdu


def _envelope(part: ClaimedPart, connector: ConnectorView, now: datetime) -> SubmitSm:
    source = addresses.detect_source(part.sender)
    return SubmitSm(
        service_type=connector.service_type,
        source_addr=source.value,
        source_addr_ton=source.ton if connector.source_ton < 0 else connector.source_ton,
        source_addr_npi=source.npi if connector.source_npi < 0 else connector.source_npi,
        destination_addr=part.recipient,
        dest_addr_ton=connector.dest_ton if connector.dest_ton >= 0 else 1,
        dest_addr_npi=connector.dest_npi if connector.dest_npi >= 0 else 1,
        priority_flag=PRIORITY.get(part.lane, 0),
        validity_period=_validity(part.expires_at, connector, now),
    )


def _asks(part: ClaimedPart, connector: ConnectorView) -> bool:
    """Whether a part that goes alone asks for its receipt. One that goes once more, or over another connector, may be
    without the part that speaks for it; so may one that was left over from message_payload."""
    if part.hop or part.possible_duplicate or connector.long_messages == LongMessages.PAYLOAD:
        return True
    return shared.speaks(connector.dlr_parts, part.seq, part.total)


def _validity(expires_at: datetime | None, connector: ConnectorView, now: datetime) -> str:
    if expires_at is not None:
        return format_relative(max(expires_at - now, MIN_VALIDITY))
    if connector.default_validity:
        return format_relative(timedelta(seconds=connector.default_validity))
    return ""


def _segment(part: ClaimedPart, encoding: Encoding, connector: ConnectorView, header: bytes, whole: bool) -> bytes:
    if encoding is Encoding.BINARY:
        return _octets(part, whole)
    text = part.content if part.total == 1 or whole else gsm.split(part.content, encoding)[part.seq - 1]
    if encoding is Encoding.GSM7:
        return _seven_bit(text, connector.default_alphabet, header)
    return gsm.encode(text, encoding)


def _seven_bit(text: str, alphabet: str, header: bytes) -> bytes:
    """The text in what the SMSC takes for data_coding 0 (spec/smpp.md 5.3)."""
    if alphabet == Alphabet.LATIN1:
        return text.encode("latin-1")
    if alphabet == Alphabet.ASCII:
        return text.encode("ascii")
    septets = gsm.encode_unpacked(text)
    if alphabet == Alphabet.GSM_PACKED:
        # The first septet begins on a septet boundary after the header (TS 23.040 9.2.3.24).
        return gsm.pack7(septets, fill_bits=gsm.fill_bits_after(len(header)))
    return septets


def _octets(part: ClaimedPart, whole: bool) -> bytes:
    data = bytes.fromhex(part.content)
    if part.total == 1 or whole:
        return data
    return gsm.split_octets(data, user_header_octets=len(part.udh) // 2)[part.seq - 1]


def _concatenate(pdu: SubmitSm, part: ClaimedPart, connector: ConnectorView, header: bytes) -> bytes:
    """Mark the part as one of several; returns the user data header that results."""
    reference = part.reference or 0
    if connector.long_messages == LongMessages.SAR:
        pdu.tlvs.add(Tag.SAR_MSG_REF_NUM, reference & 0xFFFF)
        pdu.tlvs.add(Tag.SAR_TOTAL_SEGMENTS, part.total)
        pdu.tlvs.add(Tag.SAR_SEGMENT_SEQNUM, part.seq)
        return header
    # Parts are counted and cut with the 8-bit header, so that failover to any connector keeps them.
    return _joined(header, gsm.udh_concat(reference & 0xFF, part.total, part.seq, bits=8))


def _joined(customer: bytes, concat: bytes) -> bytes:
    """One user data header of both: the length octet counts all elements."""
    if not customer:
        return concat
    elements = customer[1:] + concat[1:]
    return bytes([len(elements)]) + elements


def _vendor_tlv(connector: ConnectorView, name: str, value: Any) -> tuple[int, bytes]:
    """Tag and octets of a TLV by the connector's dictionary (spec/smpp.md 5.5: the order is not universal)."""
    entry = connector.tlv_dictionary.get(name)
    if entry is None:
        tag = tlv_names.tag_of(name)
        if tag is None:
            raise ValueError(f"the connector's dictionary has no TLV {name}")
        return tag, tlv_names.octets(name, value)
    raw: bytes
    if entry.get("type") == "int":
        raw = int(value).to_bytes(int(entry.get("length", 4)), "big")
    else:
        raw = str(value).encode() + (b"\0" if entry.get("type") == "cstring" else b"")
        if len(raw) > int(entry.get("length", 65_535)):
            raise ValueError(f"TLV {name} is longer than {entry['length']}")
    return int(entry["tag"]), raw
