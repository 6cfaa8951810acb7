"""A delivery as the PDUs that its client reads: a receipt in his style, or a text from a handset."""

from typing import Any, Final
from uuid import UUID

from accounts.snapshot import SmppClientView
from common import gsm
from common.gsm import Encoding
from messaging.client_texts import TextFacts, load_text
from messaging.esme import ReceiptFacts, load_receipt
from messaging.mailbox import Held
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import DataSm, DeliverSm, Pdu
from smpp.receipts.reader import NetworkError
from smpp.receipts.writer import receipt_text, receipt_tlvs
from smpp.tlvs import Tlvs

GSM_NETWORK: Final = 3  # network type of network_error_code (SMPP 3.4 §5.3.2.31)
# Of the vendors' range: the id that stays the same when a text is sent again.
DELIVERY_ID: Final = 0x3F00
_MOST_OCTETS: Final = 254
_UNDERWAY: Final = frozenset({MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.SCHEDULED})


def pdus_of(held: Held, client: SmppClientView, *, tlvs_allowed: bool) -> list[Pdu]:
    """What is written for one delivery, usually one PDU; raises ValueError or KeyError for an unreadable body."""
    if held.kind == "dlr":
        return [_receipt(load_receipt(held.body), client, tlvs_allowed)]
    return _text(load_text(held.body), held.id, client, tlvs_allowed)


def _receipt(facts: ReceiptFacts, client: SmppClientView, tlvs_allowed: bool) -> Pdu:
    options = client.receipt_options
    text = b""
    if "no_text" not in options or not tlvs_allowed:
        text = receipt_text(
            message_id=facts.message_id,
            state=facts.state,
            submitted=facts.submitted,
            done=facts.done,
            err=facts.err,
            sub=min(facts.sub, 999),
            text=facts.text,
            with_counts="no_counts" not in options,
            with_seconds="seconds" in options,
        )
    tlvs = Tlvs()
    if tlvs_allowed and "no_tlvs" not in options:
        error = NetworkError(GSM_NETWORK, int(facts.err)) if facts.err.isdigit() and int(facts.err) else None
        tlvs = receipt_tlvs(message_id=facts.message_id, state=facts.state, network_error=error)
        if facts.reference is not None:
            tlvs.add(Tag.USER_MESSAGE_REFERENCE, facts.reference)
    esm_class = int(EsmClass.INTERMEDIATE if facts.state in _UNDERWAY else EsmClass.SMSC_RECEIPT)
    if "data_sm" in options and tlvs_allowed:
        if text:
            tlvs.add(Tag.MESSAGE_PAYLOAD, text)
        return DataSm(**_addresses(facts), esm_class=esm_class, tlvs=tlvs)
    return DeliverSm(**_addresses(facts), esm_class=esm_class, short_message=text, tlvs=tlvs)


def _addresses(facts: ReceiptFacts | TextFacts) -> dict[str, Any]:
    return {
        "source_addr": facts.source.value,
        "source_addr_ton": facts.source.ton,
        "source_addr_npi": facts.source.npi,
        "dest_addr_ton": facts.destination.ton,
        "dest_addr_npi": facts.destination.npi,
        "destination_addr": facts.destination.value,
    }


def _text(facts: TextFacts, delivery_id: UUID, client: SmppClientView, tlvs_allowed: bool) -> list[Pdu]:
    """One deliver_sm; a text that is too long for it in message_payload, or in parts where there are no TLVs."""
    encoding, coding = _coding(facts, client)
    header, octets = facts.udh, _octets(facts.content, encoding, client)
    named = Tlvs([(DELIVERY_ID, str(delivery_id).encode())]) if tlvs_allowed else Tlvs()
    if len(header) + len(octets) <= _MOST_OCTETS:
        return [_deliver(facts, coding, header + octets, named)]
    if tlvs_allowed:
        named.add(Tag.MESSAGE_PAYLOAD, header + octets)
        return [_deliver(facts, coding, b"", named)]
    return _in_parts(facts, encoding, coding, delivery_id, client)


def _coding(facts: TextFacts, client: SmppClientView) -> tuple[Encoding, int]:
    """The encoding in which the client reads the text, and its data_coding."""
    encoding = Encoding(facts.encoding)
    if encoding is Encoding.GSM7 and client.default_alphabet in ("latin1", "ascii"):
        try:
            facts.content.encode("latin-1" if client.default_alphabet == "latin1" else "ascii")
        except UnicodeEncodeError:
            return Encoding.UCS2, gsm.data_coding(Encoding.UCS2, flash=False)
    if facts.data_coding is not None:
        return encoding, facts.data_coding
    return encoding, gsm.data_coding(encoding, flash=False)


def _octets(content: str, encoding: Encoding, client: SmppClientView) -> bytes:
    if encoding is Encoding.BINARY:
        return bytes.fromhex(content)
    if encoding is Encoding.GSM7:
        if client.default_alphabet in ("latin1", "ascii"):
            return content.encode("latin-1")
        septets = gsm.encode_unpacked(content)
        return gsm.pack7(septets) if client.default_alphabet == "gsm_packed" else septets
    return gsm.encode(content, encoding)


def _deliver(facts: TextFacts, coding: int, octets: bytes, tlvs: Tlvs, *, udhi: bool = False) -> DeliverSm:
    return DeliverSm(
        **_addresses(facts),
        esm_class=int(EsmClass.UDHI) if udhi or facts.udh else 0,
        data_coding=coding,
        short_message=octets,
        tlvs=tlvs,
    )


def _in_parts(
    facts: TextFacts, encoding: Encoding, coding: int, delivery_id: UUID, client: SmppClientView
) -> list[Pdu]:
    if encoding is Encoding.BINARY:
        pieces = gsm.split_octets(bytes.fromhex(facts.content), user_header_octets=len(facts.udh))
    else:
        pieces = [_octets(piece, encoding, client) for piece in gsm.split(facts.content, encoding)]
    reference = delivery_id.int & 0xFF  # the same at every try
    return [
        _deliver(facts, coding, gsm.udh_concat(reference, len(pieces), number) + piece, Tlvs(), udhi=True)
        for number, piece in enumerate(pieces, 1)
    ]
