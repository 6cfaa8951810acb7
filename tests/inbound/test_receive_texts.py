"""Texts from handsets in every data_coding that carriers use, kept as people can read them."""

import pytest

from common import gsm
from common.clock import utc_now
from inbound import receive
from inbound.models import InboundMessage
from messaging.receipts import TextPdu
from smpp.codec import encode
from smpp.constants import EsmClass, Tag
from smpp.pdu import DeliverSm
from tests.support.cast import make_connector

pytestmark = [pytest.mark.django_db, pytest.mark.both]

HEADER = bytes.fromhex("050003070201")
PACKED = gsm.pack7(gsm.encode_unpacked("hello @ there"))
PACKED_PART = HEADER + gsm.pack7(gsm.encode_unpacked("hello @ there"), fill_bits=1)

# alphabet of the connector, data_coding, octets, esm_class, encoding, text
CASES = [
    ("gsm", 0x00, gsm.encode_unpacked("a @ € b"), 0, "gsm7", "a @ € b"),
    ("gsm", 0x10, gsm.encode_unpacked("flash"), 0, "gsm7", "flash"),
    ("gsm", 0xF0, gsm.encode_unpacked("flash_"), 0, "gsm7", "flash_"),
    ("gsm", 0x01, b"a@b_c$", 0, "ascii", "a@b_c$"),
    ("gsm", 0x03, "Grüße".encode("latin-1"), 0, "latin1", "Grüße"),
    ("latin1", 0x00, "Grüße".encode("latin-1"), 0, "latin1", "Grüße"),
    ("ascii", 0x00, b"a@b", 0, "ascii", "a@b"),
    ("gsm_packed", 0x00, PACKED, 0, "gsm7", "hello @ there"),
    ("gsm_packed", 0x00, PACKED_PART, EsmClass.UDHI, "gsm7", "hello @ there"),
    ("gsm", 0x08, "مرحبا 😀".encode("utf-16-be"), 0, "ucs2", "مرحبا 😀"),
    ("gsm", 0x18, "مر".encode("utf-16-be"), 0, "ucs2", "مر"),
    ("gsm", 0x08, b"\xd8\x3d\x00\x00", 0, "ucs2", "\ufffd"),
    ("gsm", 0x04, b"\x00\xff", 0, "binary", "00ff"),
    ("gsm", 0x14, b"\x00\xff", 0, "binary", "00ff"),
    ("gsm", 0xF5, b"\x00\xff", 0, "binary", "00ff"),
]


@pytest.mark.parametrize(("alphabet", "coding", "octets", "esm", "encoding", "text"), CASES)
def test_a_text_is_kept_as_it_is_read(alphabet, coding, octets, esm, encoding, text):
    line = make_connector(default_alphabet=alphabet)
    pdu = DeliverSm(
        source_addr="971507654321",
        destination_addr="12345",
        data_coding=coding,
        esm_class=int(esm),
        short_message=octets,
    )
    stored(line, pdu)
    kept = InboundMessage.objects.get()
    assert (kept.encoding, kept.content) == (encoding, text)
    assert kept.raw == encode(pdu).hex()
    assert kept.udh == (HEADER.hex() if esm else "")


def test_a_text_in_message_payload_is_kept_as_well():
    line, pdu = make_connector(), DeliverSm(source_addr="971507654321", destination_addr="12345")
    pdu.tlvs.add(Tag.MESSAGE_PAYLOAD, gsm.encode_unpacked("a long one"))
    stored(line, pdu)
    assert InboundMessage.objects.get().content == "a long one"


def stored(line, pdu):
    text = TextPdu(connector_id=line.pk, bind_no=1, received_at=utc_now(), pdu=pdu, raw=encode(pdu))
    receive.store([text])
