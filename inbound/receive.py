"""Texts from handsets: kept first, whatever becomes of them later (S0-37)."""

from collections.abc import Sequence
from typing import cast

from common import gsm
from common.ids import new_id
from connectors.models import Alphabet
from connectors.snapshot import connectors
from inbound.models import InboundMessage
from messaging.receipts import TextPdu
from smpp.constants import EsmClass, Tag
from smpp.pdu import DataSm, DeliverSm

_UCS2 = 0x08
_OCTETS = {0x02, 0x04}
_CLASSED_OCTETS = 0x14
_ONE_OCTET = {0x01: gsm.Encoding.ASCII, 0x03: gsm.Encoding.LATIN1}
_BY_ALPHABET: dict[str, gsm.Encoding] = {Alphabet.LATIN1: gsm.Encoding.LATIN1, Alphabet.ASCII: gsm.Encoding.ASCII}


def store(texts: Sequence[TextPdu]) -> None:
    """One row per text, in the caller's transaction."""
    InboundMessage.objects.bulk_create([_row(text) for text in texts])


def _row(text: TextPdu) -> InboundMessage:
    pdu = cast(DeliverSm | DataSm, text.pdu)
    header, octets = _user_data(pdu)
    encoding, content = _decoded(octets, pdu.data_coding, _alphabet(text.connector_id), len(header))
    return InboundMessage(
        id=new_id(),
        connector_id=text.connector_id,
        source=_clean(pdu.source_addr),
        destination=_clean(pdu.destination_addr),
        content=content,
        encoding=encoding,
        udh=header.hex(),
        provider_id=_clean(pdu.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) or "", 65),
        raw=text.raw.hex(),
        received_at=text.received_at,
    )


def _user_data(pdu: DeliverSm | DataSm) -> tuple[bytes, bytes]:
    """User data header with its length octet (empty without one), and what follows it."""
    octets = getattr(pdu, "short_message", b"") or pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD) or b""
    if pdu.esm_class & EsmClass.UDHI and octets and octets[0] < len(octets):
        return octets[: octets[0] + 1], octets[octets[0] + 1 :]
    return b"", octets


def _decoded(octets: bytes, coding: int, alphabet: str, header: int) -> tuple[str, str]:
    """Encoding and text; octets that are no text as hex (spec/smpp.md 5.3). `header`: octets before them."""
    if coding in _OCTETS or coding & 0xF4 == 0xF4 or coding & 0xFC == _CLASSED_OCTETS:
        return gsm.Encoding.BINARY, octets.hex()
    if coding == _UCS2 or coding & 0xFC == 0x18:
        return gsm.Encoding.UCS2, _storable(gsm.decode_ucs2(octets))
    encoding = _ONE_OCTET.get(coding) or (_BY_ALPHABET.get(alphabet) if coding == 0 else None)
    if encoding is not None:
        return encoding, _storable(gsm.decode(octets, encoding))
    if coding == 0 and alphabet == Alphabet.GSM_PACKED:
        octets = gsm.unpack7(octets, fill_bits=gsm.fill_bits_after(header))
    return gsm.Encoding.GSM7, _storable(gsm.decode_unpacked(octets))


def _alphabet(connector_id: int) -> str:
    view = connectors().by_id.get(connector_id)
    return view.default_alphabet if view else "gsm"


def _storable(text: str) -> str:
    """Without what no database takes: U+0000 and lone surrogates (the raw PDU keeps them)."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _clean(value: str, limit: int = 21) -> str:
    return _storable(value)[:limit]
