"""What a message looks like on the carrier's wire, for each way in which a connector wants it."""

import pytest

from common import gsm
from common.gsm import Encoding
from messaging.models import Part, Receipt
from smpp.constants import EsmClass, Tag
from tests.workers.bind_cast import NUMBER, message, part, scene, state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

LONG = "".join(f"{n:03d} word, " for n in range(40))  # 400 characters: three parts


def by_text(found, text):
    return next(m for m in found.smsc.messages if m.text == text)


def test_texts_travel_in_their_encoding_with_their_data_coding():
    arabic = "مرحبا"
    with scene() as found:
        ids = found.send_all(
            [
                {"to": NUMBER, "content": "plain @ text"},
                {"to": NUMBER, "content": "€ [brackets] {braces}"},
                {"to": NUMBER, "content": arabic},
                {"to": NUMBER, "content": "smile 😀"},
                {"to": NUMBER, "content": "flash", "flash": True},
                {"to": NUMBER, "content": arabic + "!", "flash": True},
            ]
        )
        found.until(lambda: all(state(one) == "DELIVERED" for one in ids))
        assert by_text(found, "plain @ text").pdu.data_coding == 0
        assert by_text(found, "€ [brackets] {braces}").pdu.short_message.count(0x1B) == 5
        assert by_text(found, arabic).pdu.data_coding == 8
        assert by_text(found, "smile 😀").pdu.short_message.endswith("😀".encode("utf-16-be"))
        assert by_text(found, "flash").pdu.data_coding == 0x10
        assert by_text(found, arabic + "!").pdu.data_coding == 0x18
        assert all(m.pdu.registered_delivery == 1 for m in found.smsc.messages)


def test_binary_keeps_its_octets_and_its_header():
    header, data = bytes.fromhex("06050415811581"), bytes(range(100))
    with scene() as found:
        sent = found.send(binary=data, udh=header, coding=Encoding.BINARY)
        found.until_status(sent, "DELIVERED")
        [got] = found.smsc.messages
        assert got.pdu.esm_class & EsmClass.UDHI
        assert got.pdu.short_message == header + data
        assert got.pdu.data_coding == 4


def test_a_long_text_goes_in_three_parts_that_the_handset_can_join():
    with scene() as found:
        sent = found.send(content=LONG)
        found.until(lambda: all(state(sent, seq) == "DELIVERED" for seq in (1, 2, 3)))
        parts = found.smsc.messages
        assert [m.concat.number for m in parts] == [1, 2, 3]
        assert {(m.concat.reference, m.concat.total) for m in parts} == {(parts[0].concat.reference, 3)}
        assert all(m.pdu.esm_class & EsmClass.UDHI for m in parts)
        assert "".join(m.text for m in parts) == LONG
        assert message(sent).status == "DELIVERED"


def test_sar_parts_carry_their_place_in_tlvs():
    with scene(long_messages="sar") as found:
        sent = found.send(content=LONG)
        found.until(lambda: all(state(sent, seq) == "DELIVERED" for seq in (1, 2, 3)))
        parts = found.smsc.messages
        assert not any(m.pdu.esm_class & EsmClass.UDHI for m in parts)
        assert [m.pdu.tlvs.integer(Tag.SAR_SEGMENT_SEQNUM) for m in parts] == [1, 2, 3]
        assert {m.pdu.tlvs.integer(Tag.SAR_TOTAL_SEGMENTS) for m in parts} == {3}
        assert len({m.pdu.tlvs.integer(Tag.SAR_MSG_REF_NUM) for m in parts}) == 1
        assert "".join(m.text for m in parts) == LONG


def test_payload_carries_the_whole_message_and_its_one_receipt_settles_all_parts():
    with scene(long_messages="payload", window=2) as found:
        sent = found.send(content=LONG)
        short = found.send(content="short")
        found.until(lambda: state(short) == "DELIVERED" and all(state(sent, n) == "DELIVERED" for n in (1, 2, 3)))
        assert sorted(found.texts) == sorted([LONG, "short"])
        whole = by_text(found, LONG)
        assert whole.pdu.short_message == b""
        assert whole.concat is None
        assert {part(sent, seq).provider_id for seq in (1, 2, 3)} == {whole.message_id}
        assert Receipt.objects.count() == 2
        assert found.cast.balance == 1000 - 4


def test_packed_septets_begin_after_the_header_and_its_fill_bit():
    with scene(default_alphabet="gsm_packed") as found:
        short = found.send(content="hellohello")
        long = found.send(content=LONG)
        found.until(lambda: state(short) == "DELIVERED" and all(state(long, n) == "DELIVERED" for n in (1, 2, 3)))
        first, *rest = found.smsc.messages
        assert first.pdu.short_message.hex() == "e8329bfd4697d9ec37"
        texts = [gsm.decode_unpacked(gsm.unpack7(m.user_data, fill_bits=1)) for m in rest]
        assert "".join(texts) == LONG
        assert all(len(m.pdu.short_message) <= 140 for m in rest)


def test_an_smsc_whose_default_is_latin_1_gets_latin_1():
    with scene(default_alphabet="latin1") as found:
        sent = found.send(content="Grüße à Ñandu")
        found.until_status(sent, "DELIVERED")
        [got] = found.smsc.messages
        assert got.pdu.data_coding == 0
        assert got.pdu.short_message == "Grüße à Ñandu".encode("latin-1")


def test_vendor_tlvs_follow_the_connectors_dictionary():
    dictionary = {
        "pe_id": {"tag": 0x1400, "type": "octets", "length": 30},
        "template_id": {"tag": 0x1401, "type": "cstring", "length": 30},
        "chain": {"tag": 0x1402, "type": "int", "length": 4},
    }
    with scene(tlv_dictionary=dictionary) as found:
        sent = found.send(tlvs={"pe_id": "1101234567890123456", "template_id": "1107", "chain": 7})
        found.until_status(sent, "DELIVERED")
        [got] = found.smsc.messages
        assert got.pdu.tlvs.raw(0x1400) == b"1101234567890123456"
        assert got.pdu.tlvs.raw(0x1401) == b"1107\0"
        assert got.pdu.tlvs.raw(0x1402) == b"\0\0\0\x07"


def test_addresses_priority_and_validity_are_written_as_the_carrier_wants_them():
    with scene(source_ton=3, source_npi=0, dest_ton=2, dest_npi=8, service_type="CMT") as found:
        sent = found.send(validity=3600, traffic_class="otp")
        found.until_status(sent, "DELIVERED")
        [got] = found.smsc.messages
        pdu = got.pdu
        assert (pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) == ("GATEWAY", 3, 0)
        assert (pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi) == (NUMBER, 2, 8)
        assert (pdu.service_type, pdu.priority_flag) == ("CMT", 3)
        assert "000000005500000R" < pdu.validity_period <= "000000010000000R"


def test_an_alphanumeric_sender_is_told_from_a_number():
    with scene() as found:
        sent = found.send()
        found.until_status(sent, "DELIVERED")
        [got] = found.smsc.messages
        assert (got.pdu.source_addr_ton, got.pdu.source_addr_npi) == (5, 0)
        assert (got.pdu.dest_addr_ton, got.pdu.dest_addr_npi) == (1, 1)


def test_one_that_this_connector_cannot_write_leaves_three_hundred_others_unharmed():
    with scene(default_alphabet="ascii") as found:
        wanted = [{"to": f"97150{n:07d}", "content": f"marker {n}"} for n in range(300)]
        wanted[150]["content"] = "Straße"  # GSM, not ASCII
        ids = found.send_all(wanted)
        found.until(lambda: not Part.objects.exclude(status__in=["DELIVERED", "REJECTED"]).exists())
        assert state(ids[150]) == "REJECTED"
        assert message(ids[150]).error.startswith("cannot encode")
        assert len(set(found.texts)) == len(found.texts) == 299
        assert found.cast.balance == 1000 - 299
