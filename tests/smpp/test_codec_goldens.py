"""Every PDU against octets that were written by hand from SMPP 3.4."""

from dataclasses import replace

import pytest

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.constants import CommandId
from tests.smpp.samples import SAMPLES, golden

IDS = [f"{sample[0].name}-{index}" for index, sample in enumerate(SAMPLES)]


@pytest.mark.parametrize(("pdu", "command_id", "body"), SAMPLES, ids=IDS)
def test_a_pdu_is_written_octet_for_octet(pdu, command_id, body):
    assert encode(replace(pdu, sequence=0x01020304)).hex() == golden(pdu, command_id, body, 0x01020304).hex()


@pytest.mark.parametrize(("pdu", "command_id", "body"), SAMPLES, ids=IDS)
def test_the_octets_are_read_back_as_the_same_pdu(pdu, command_id, body):
    found = decode(golden(pdu, command_id, body, 7))
    assert type(found) is type(pdu)
    assert found == replace(pdu, sequence=7)


@pytest.mark.parametrize(("pdu", "command_id", "body"), SAMPLES, ids=IDS)
def test_the_lenient_writer_and_the_compiled_writer_agree(pdu, command_id, body):
    assert encode(pdu, lenient=True) == encode(pdu)


def test_every_command_of_the_specification_has_a_sample():
    assert {command_id for _, command_id, _ in SAMPLES} == set(CommandId)


# The worked example of the specification (§3.2): bind_transmitter and its answer, complete.
BIND_TRANSMITTER = (
    "0000002f 00000002 00000000 00000001 534d5050335445535400 736563726574303800 5355424d49543100 00 01 01 00"
)
BIND_TRANSMITTER_RESP = "0000001a 80000002 00000000 00000001 534d5050335445535400"
ENQUIRE_LINK = "00000010 00000015 00000000 0000001a"
GENERIC_NACK = "00000010 80000000 00000003 00000005"
SUBMIT_SM_RESP_ERROR = "00000010 80000004 00000058 00000009"
# A receipt as carriers send it: the text of appendix B, then both TLVs.
DELIVER_SM_RECEIPT = (
    "00000056 00000005 00000000 00000002"
    "00 01 01 333136313200 05 00 41636d6500 04 00 00 00 00 00 00 00 00"
    "21 69643a342073746174 3a44454c4956524420 6572723a303030 20746578743a6869"
    "001e 0002 3400 0427 0001 02"
)


@pytest.mark.parametrize(
    ("octets", "pdu"),
    [
        (
            BIND_TRANSMITTER,
            p.BindTransmitter("SMPP3TEST", "secret08", "SUBMIT1", 0, 1, 1, "", sequence=1),
        ),
        (BIND_TRANSMITTER_RESP, p.BindTransmitterResp("SMPP3TEST", sequence=1)),
        (ENQUIRE_LINK, p.EnquireLink(sequence=26)),
        (GENERIC_NACK, p.GenericNack(status=3, sequence=5)),
        (SUBMIT_SM_RESP_ERROR, p.SubmitSmResp(status=0x58, sequence=9)),
    ],
)
def test_a_classic_frame_goes_both_ways(octets, pdu):
    frame = bytes.fromhex(octets)
    assert decode(frame) == pdu
    assert encode(pdu) == frame


def test_a_receipt_frame_is_read_with_text_and_tlvs():
    frame = bytes.fromhex(DELIVER_SM_RECEIPT)
    receipt = decode(frame)
    assert receipt.short_message == b"id:4 stat:DELIVRD err:000 text:hi"
    assert (receipt.source_addr, receipt.destination_addr, receipt.esm_class) == ("31612", "Acme", 4)
    assert receipt.tlvs.text(0x001E) == "4"
    assert receipt.tlvs.get(0x0427) == 2
    assert encode(receipt) == frame


def test_an_error_response_without_a_body_has_empty_fields():
    for command in (0x80000001, 0x80000003, 0x80000004, 0x80000021, 0x80000103):
        frame = bytes.fromhex(f"00000010{command:08x}0000000800000001")
        found = decode(frame)
        assert (found.status, found.sequence) == (8, 1)
        assert encode(found) == frame
