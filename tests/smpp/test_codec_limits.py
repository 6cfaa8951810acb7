"""What the codec refuses to write, and how it blames what it cannot read."""

import struct
from dataclasses import fields

import pytest

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.constants import CommandStatus as S
from smpp.constants import Tag
from smpp.errors import BodyError, FieldError, FramingError, UnknownCommand
from smpp.fields import WIRE
from smpp.pdu import PDU_CLASSES, tlv_faults
from smpp.tlvs import Tlvs


def limits(kind: str) -> list[tuple[type, str, int]]:
    return [
        (cls, item.name, item.metadata[WIRE].limit)
        for cls in PDU_CLASSES.values()
        for item in fields(cls)
        if WIRE in item.metadata and item.metadata[WIRE].kind == kind
    ]


def needed(cls: type) -> dict:
    """What a class needs to be written at all."""
    return {"dest_addresses": [p.SmeAddress(1, 1, "1")]} if cls is p.SubmitMulti else {}


# SMPP 3.4 §4: sizes with the NUL.
SIZES = {
    "system_id": 16,
    "password": 9,
    "system_type": 13,
    "address_range": 41,
    "service_type": 6,
    "source_addr": 21,
    "destination_addr": 21,
    "esme_addr": 65,
    "message_id": 65,
    "schedule_delivery_time": 17,
    "validity_period": 17,
    "final_date": 17,
}


@pytest.mark.parametrize(("cls", "name", "limit"), limits("cstring"))
def test_text_may_fill_its_field_and_not_one_octet_more(cls, name, limit):
    wide = cls in (p.DataSm, p.AlertNotification) and name.endswith("_addr")
    assert limit + 1 == (65 if wide else SIZES[name])
    full = cls(**needed(cls), **{name: "x" * limit})
    assert decode(encode(full)) == full
    with pytest.raises(FieldError) as refused:
        encode(cls(**needed(cls), **{name: "x" * (limit + 1)}))
    assert refused.value.field == name


@pytest.mark.parametrize(("cls", "name", "limit"), limits("cstring"))
@pytest.mark.parametrize("value", ["a\0b", "ж", None, 5, b"x"])
def test_text_with_nul_or_of_a_wrong_type_is_refused(cls, name, limit, value):
    with pytest.raises(FieldError) as refused:
        encode(cls(**needed(cls), **{name: value}))
    assert refused.value.field == name


@pytest.mark.parametrize(("cls", "name", "limit"), limits("int8"))
@pytest.mark.parametrize("value", [-1, 256, "1", None, 1.5])
def test_a_number_beyond_one_octet_is_refused(cls, name, limit, value):
    with pytest.raises(FieldError) as refused:
        encode(cls(**needed(cls), **{name: value}))
    assert refused.value.field == name


def test_a_short_message_has_at_most_254_octets():
    assert decode(encode(p.SubmitSm(short_message=b"x" * 254))).short_message == b"x" * 254
    for wrong in (b"x" * 255, "text", None):
        with pytest.raises(FieldError) as refused:
            encode(p.SubmitSm(short_message=wrong))
        assert refused.value.field == "short_message"


def test_a_long_password_is_refused_for_us_and_accepted_from_a_peer():
    bind = p.BindTransceiver(system_id="me", password="longer-than-eight")
    with pytest.raises(FieldError) as refused:
        encode(bind)
    assert (refused.value.field, refused.value.command_status) == ("password", S.ESME_RINVPASWD)
    assert decode(encode(bind, lenient=True)).password == "longer-than-eight"


@pytest.mark.parametrize("wrong", [{"sequence": -1}, {"sequence": 1 << 32}, {"status": "x"}])
@pytest.mark.parametrize("cls", [p.SubmitSm, p.EnquireLink, p.SubmitMultiResp])
def test_a_header_number_beyond_32_bits_is_refused(cls, wrong):
    with pytest.raises(FieldError):
        encode(cls(**wrong))


@pytest.mark.parametrize("count", [0, 255])
def test_submit_multi_takes_1_to_254_destinations(count):
    with pytest.raises(FieldError) as refused:
        encode(p.SubmitMulti(dest_addresses=[p.SmeAddress(1, 1, "1")] * count))
    assert refused.value.command_status == S.ESME_RINVNUMDESTS


def body(command: int, octets: str, status: int = 0) -> bytes:
    raw = bytes.fromhex(octets)
    return struct.pack(">LLLL", 16 + len(raw), command, status, 77) + raw


BROKEN = [
    ("submit_sm without a body", 0x04, "", S.ESME_RINVCMDLEN),
    ("service_type of seven", 0x04, "61" * 7 + "00", S.ESME_RINVSERTYP),
    ("source_addr of 21", 0x04, "00 00 00" + "31" * 21 + "00", S.ESME_RINVSRCADR),
    ("destination of 21", 0x04, "00 00 00 00 00 00" + "31" * 21 + "00", S.ESME_RINVDSTADR),
    ("no NUL to the end", 0x04, "00 00 00 31313131", S.ESME_RINVCMDLEN),
    ("schedule too long", 0x04, "00 0000 00 0000 00 000000" + "31" * 17 + "00", S.ESME_RINVSCHED),
    ("sm_length beyond the end", 0x04, "00 0000 00 0000 00 000000 00 00 00000000 05 6869", S.ESME_RINVMSGLEN),
    ("sm_length 255", 0x04, "00 0000 00 0000 00 000000 00 00 00000000 ff" + "61" * 255, S.ESME_RINVMSGLEN),
    ("half a TLV header", 0x05, "00 0000 00 0000 00 000000 00 00 00000000 00 0424", S.ESME_RINVOPTPARSTREAM),
    ("TLV beyond the end", 0x05, "00 0000 00 0000 00 000000 00 00 00000000 00 0424 0009 61", S.ESME_RINVOPTPARSTREAM),
    ("system_id of 16", 0x09, "61" * 16 + "00", S.ESME_RINVSYSID),
    ("password of 65", 0x09, "6100" + "61" * 65 + "00", S.ESME_RINVPASWD),
    ("message_id of 65", 0x03, "61" * 65 + "00", S.ESME_RINVMSGID),
    ("dest_flag 3", 0x21, "00 0000 00 01 03", S.ESME_RINVDESTFLAG),
    ("no destination", 0x21, "00 0000 00 00", S.ESME_RINVNUMDESTS),
    ("octets after an enquire_link", 0x15, "00", S.ESME_RINVOPTPARSTREAM),
]


@pytest.mark.parametrize(("what", "command", "octets", "status"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_request_names_the_status_to_answer(what, command, octets, status):
    with pytest.raises(BodyError) as found:
        decode(body(command, octets))
    error = found.value
    assert (error.command_status, error.command_id, error.sequence) == (status, command, 77)


def test_a_response_is_read_with_patience():
    assert decode(body(0x80000004, "343241")).message_id == "42A"  # no closing NUL
    assert decode(body(0x80000004, "61" * 70 + "00")).message_id == "a" * 70
    assert decode(body(0x80000004, "")).message_id == ""
    assert decode(body(0x80000004, "3400 ffff")) == p.SubmitSmResp("4", sequence=77)
    assert decode(body(0x80000021, "3400 02 01 01 3100", status=8)).status == 8


def test_an_unknown_command_is_recoverable_and_says_so():
    with pytest.raises(UnknownCommand) as found:
        decode(body(0x0F, ""))
    assert (found.value.command_status, found.value.sequence) == (S.ESME_RINVCMDID, 77)


@pytest.mark.parametrize("frame", [b"", b"\0" * 15, struct.pack(">LLLL", 17, 0x15, 0, 1)])
def test_a_frame_that_lies_about_its_length_is_fatal(frame):
    with pytest.raises(FramingError):
        decode(frame)


def test_tlvs_are_read_and_written_by_name_and_type():
    tlvs = Tlvs()
    tlvs.add(Tag.SAR_MSG_REF_NUM, 0x0102)
    tlvs.add(Tag.RECEIPTED_MESSAGE_ID, "7f")
    tlvs.add(Tag.MESSAGE_PAYLOAD, b"payload")
    tlvs.add(0x1400, b"1101")
    tlvs.add(0x1400, b"1102")
    tlvs.set(Tag.SAR_MSG_REF_NUM, 9)
    assert tlvs == [(0x1E, b"7f\0"), (0x424, b"payload"), (0x1400, b"1101"), (0x1400, b"1102"), (0x20C, b"\0\x09")]
    assert tlvs.get(Tag.SAR_MSG_REF_NUM) == 9
    assert tlvs.get(Tag.RECEIPTED_MESSAGE_ID) == "7f"
    assert tlvs.get_all(0x1400) == [b"1101", b"1102"]
    assert tlvs.get(Tag.LANGUAGE_INDICATOR, 3) == 3
    tlvs.remove_tag(0x1400)
    assert not tlvs.has(0x1400)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (Tag.MESSAGE_STATE, 256),
        (Tag.MESSAGE_STATE, -1),
        (Tag.MESSAGE_STATE, "x"),
        (Tag.RECEIPTED_MESSAGE_ID, "x" * 65),
        (Tag.RECEIPTED_MESSAGE_ID, "a\0"),
        (Tag.RECEIPTED_MESSAGE_ID, 5),
        (0x1400, "1101"),
        (0x1400, 5),
        (0x10000, b""),
        (Tag.MESSAGE_PAYLOAD, b"x" * 65_536),
    ],
)
def test_a_tlv_that_does_not_fit_its_tag_is_refused_and_not_added(tag, value):
    tlvs = Tlvs()
    with pytest.raises(FieldError):
        tlvs.add(tag, value)
    assert tlvs == []


def test_a_tlv_of_a_wrong_size_is_read_all_the_same_and_reported():
    sm = p.DeliverSm(tlvs=Tlvs([(Tag.MESSAGE_STATE, b"\0\0\0\x02"), (Tag.RECEIPTED_MESSAGE_ID, b"no-nul")]))
    found = decode(encode(sm))
    assert found.tlvs.get(Tag.MESSAGE_STATE) == 2
    assert found.tlvs.get(Tag.RECEIPTED_MESSAGE_ID) == "no-nul"
    assert tlv_faults(found) == [Tag.MESSAGE_STATE]


def test_a_reply_is_the_matching_response_with_the_same_sequence():
    assert p.SubmitSm(sequence=5).reply(message_id="1") == p.SubmitSmResp("1", sequence=5)
    assert p.AlertNotification(sequence=5).reply(status=3) == p.GenericNack(status=3, sequence=5)
