"""What a client submits is kept as he meant it, and answered after the commit."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from messaging.esme import id_text
from messaging.models import Message
from smpp.constants import CommandStatus as S
from smpp.constants import Tag
from smpp.pdu import BindTransmitter, DataSm, DistributionList, SmeAddress, SubmitMulti, SubmitSm
from smpp.times import format_absolute
from smpp.tlvs import Tlvs
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, bound, scene

pytestmark = pytest.mark.django_db(transaction=True)


def submit_sm(text: bytes = b"Hello", **fields):
    return SubmitSm(**{"source_addr": "BANK", "source_addr_ton": 5, "destination_addr": NUMBER, "dest_addr_ton": 1,
                       "dest_addr_npi": 1, "short_message": text, **fields})  # fmt: skip


def submitted(found, *pdus, **client):
    """The answers to these, over one transmitter bind."""

    async def talk():
        esme = await bound(found, BindTransmitter)
        answers = await asyncio.gather(*(esme.request(pdu) for pdu in pdus))
        await esme.close()
        return answers

    return asyncio.run(talk())


def one(pdu, **options):
    """Answer and message of one submit."""
    with scene(**options) as found:
        [answer] = submitted(found, pdu)
        return answer, (found.messages or [None])[0], found


def test_a_submit_is_answered_with_the_id_of_a_message_that_is_committed_and_paid():
    with scene(credits=10) as found:
        [answer] = submitted(found, submit_sm())
        message = found.message
        assert (answer.status, answer.message_id) == (0, str(message.id))
        assert (message.content, message.sender, message.recipient, message.source) == ("Hello", "BANK", NUMBER, "smpp")
        assert message.account_id == found.cast.account.pk and found.cast.balance == 9


@pytest.mark.parametrize(("style", "pattern"), [("dec", r"\d{18,19}"), ("hex", r"[0-9a-f]{16}"), ("uuid", r".{36}")])
def test_ids_are_written_in_the_clients_style(style, pattern):
    answer, message, _ = one(submit_sm(), id_style=style)
    assert __import__("re").fullmatch(pattern, answer.message_id)
    assert answer.message_id == id_text(message.id, style)


CODINGS = [
    (0x00, b"A\x00\x1b\x65", {}, ("A@€", "gsm7", False, None)),
    (0x00, b"\xe9t\xe9", {"default_alphabet": "latin1"}, ("été", "gsm7", False, None)),
    (0x00, "ç".encode("latin-1"), {"default_alphabet": "latin1"}, ("ç", "ucs2", False, None)),
    (0x00, bytes.fromhex("e8329bfd06"), {"default_alphabet": "gsm_packed"}, ("hello", "gsm7", False, None)),
    (0x01, b"`ascii`", {}, ("`ascii`", "ascii", False, None)),
    (0x03, "ñandú".encode("latin-1"), {}, ("ñandú", "latin1", False, None)),
    (0x04, b"\x01\x02", {}, ("0102", "binary", False, None)),
    (0x02, b"\x01\x02", {}, ("0102", "binary", False, 0x02)),
    (0x08, "Привет 😀".encode("utf-16-be"), {}, ("Привет 😀", "ucs2", False, None)),
    (0x08, b"\xd8\x3d", {}, ("d83d", "binary", False, 0x08)),
    (0x10, b"flash", {}, ("flash", "gsm7", True, None)),
    (0xF0, b"flash", {}, ("flash", "gsm7", True, 0xF0)),
    (0x18, "я".encode("utf-16-be"), {}, ("я", "ucs2", True, None)),
    (0x11, b"me", {}, ("me", "gsm7", False, 0x11)),
    (0xF5, b"\x01", {}, ("01", "binary", False, 0xF5)),
    (0xC8, b"voice", {}, ("voice", "gsm7", False, 0xC8)),
    (0x05, b"\x83\x41", {}, ("8341", "binary", False, 0x05)),
]  # fmt: skip


def test_every_data_coding_is_read_by_all_its_bits():
    with scene() as found:
        for coding, octets, client, expected in CODINGS:
            found.change(**{"default_alphabet": "gsm", **client})
            [answer] = submitted(found, submit_sm(octets, data_coding=coding))
            assert answer.status == 0, (hex(coding), hex(answer.status))
            message = found.messages[-1]
            kept = (message.content, message.encoding, message.flash, message.esme.get("dcs"))
            assert kept == expected, hex(coding)


def test_parts_stay_the_parts_that_the_customer_made():
    first, second = bytes.fromhex("050003070201"), bytes.fromhex("06080401070202")
    sar = Tlvs()
    sar.add(Tag.SAR_MSG_REF_NUM, 0x0107)
    sar.add(Tag.SAR_TOTAL_SEGMENTS, 2)
    sar.add(Tag.SAR_SEGMENT_SEQNUM, 1)
    with scene() as found:
        answers = submitted(
            found,
            submit_sm(first + b"a" * 153, esm_class=0x40),
            submit_sm(second + b"b" * 152, esm_class=0x43),
            submit_sm(b"c" * 152, tlvs=sar),
            submit_sm(b"d" * 153, tlvs=sar),
        )
        assert [answer.status for answer in answers] == [0, 0, 0, 0]
        kept = {message.content[0]: (message.parts, message.udh) for message in found.messages}
        assert kept == {
            "a": (1, first.hex()),
            "b": (1, second.hex()),
            "c": (1, "06080401070201"),
            "d": (1, "050003070201"),  # 153 septets leave no room for a reference of 16 bits
        }


def test_a_header_of_any_length_beside_sar_parameters_is_answered():
    """The length octet of a header holds 255: 250 octets of elements, and no more, leave room for one of five."""
    sar = [(Tag.SAR_MSG_REF_NUM, b"\1\7"), (Tag.SAR_TOTAL_SEGMENTS, b"\2"), (Tag.SAR_SEGMENT_SEQNUM, b"\1")]
    pdus = []
    for length in range(256):
        header = bytes((length, 0x70, max(0, length - 2), *range(2, length)))[: length + 1]
        pdus.append(submit_sm(b"", esm_class=0x40, tlvs=Tlvs([*sar, (Tag.MESSAGE_PAYLOAD, header + b"x")])))
    with scene(window=300) as found:
        answers = submitted(found, *pdus)
        assert {answer.status for answer in answers[-10:]} == {S.ESME_RINVESMCLASS}
        assert answers[4].status == 0 and len(found.messages) == sum(not answer.status for answer in answers)


def test_the_only_part_of_a_text_is_the_text():
    answer, message, _ = one(submit_sm(b"whole", tlvs=Tlvs([(Tag.SAR_TOTAL_SEGMENTS, b"\1")])))
    assert (answer.status, message.parts, message.udh, message.content) == (0, 1, "", "whole")


def test_a_long_payload_is_one_message_of_several_parts():
    tlvs = Tlvs()
    tlvs.add(Tag.MESSAGE_PAYLOAD, b"x" * 400)
    answer, message, _ = one(submit_sm(b"", tlvs=tlvs))
    assert (answer.status, message.parts, message.price) == (0, 3, 3)


def test_tlvs_go_through_and_the_reference_is_kept_for_the_receipt():
    tlvs = Tlvs([(0x1400, b"1201159"), (0x1401, b"ab\x00"), (0x020B, b"\x0b\x84")])
    tlvs.add(Tag.USER_MESSAGE_REFERENCE, 77)
    answer, message, _ = one(submit_sm(tlvs=tlvs))
    assert answer.status == 0
    assert message.tlvs == {"0x1400": "1201159", "0x1401:hex": "616200", "0x020b:hex": "0b84"}
    assert message.esme["ref"] == 77


def test_times_are_absolute_or_relative():
    now = datetime.now(UTC)
    later = format_absolute(now + timedelta(hours=2))
    with scene() as found:
        answers = submitted(
            found,
            submit_sm(b"1", schedule_delivery_time=later, validity_period="000001000000000R"),
            submit_sm(b"2", schedule_delivery_time="000000010000000R"),
            submit_sm(b"3", validity_period=format_absolute(now + timedelta(hours=1))),
            submit_sm(b"4", validity_period="990000000000000R"),
        )
        assert [answer.status for answer in answers] == [0, 0, 0, 0]
        one, two, three, four = sorted(found.messages, key=lambda message: message.content)
        assert abs(one.send_at - now - timedelta(hours=2)) < timedelta(seconds=2) and one.status == "SCHEDULED"
        assert one.expires_at - one.send_at == timedelta(days=1)
        assert abs(two.send_at - now - timedelta(hours=1)) < timedelta(seconds=10)
        assert abs(three.expires_at - now - timedelta(hours=1)) < timedelta(seconds=10)
        assert abs(four.expires_at - now - timedelta(days=7)) < timedelta(seconds=10)


@pytest.mark.parametrize(("allowed", "lane"), [(True, "otp"), (False, "transactional")])
def test_priority_three_is_the_otp_lane_for_whom_may_use_it(allowed, lane):
    _, message, _ = one(submit_sm(priority_flag=3), otp_allowed=allowed)
    assert message.lane == lane


@pytest.mark.parametrize(("bits", "dlr"), [(0, False), (1, True), (2, True), (0x11, True), (0x10, True)])
def test_registered_delivery_is_kept(bits, dlr):
    _, message, _ = one(submit_sm(registered_delivery=bits))
    assert (message.dlr, message.esme["reg"]) == (dlr, bits)


def test_data_sm_is_a_message_too():
    pdu = DataSm(source_addr="BANK", source_addr_ton=5, destination_addr=NUMBER, registered_delivery=1)
    pdu.tlvs.add(Tag.MESSAGE_PAYLOAD, b"by data sm")
    pdu.tlvs.add(Tag.QOS_TIME_TO_LIVE, 3600)
    answer, message, _ = one(pdu)
    assert (answer.status, answer.message_id, message.content) == (0, str(message.id), "by data sm")
    assert message.expires_at - message.created_at == timedelta(hours=1)


def test_submit_multi_is_answered_with_one_id_and_the_numbers_that_were_refused():
    numbers = [SmeAddress(1, 1, NUMBER), SmeAddress(0, 0, "12"), SmeAddress(1, 1, "971501234568")]
    pdu = SubmitMulti(source_addr="BANK", source_addr_ton=5, dest_addresses=numbers, short_message=b"all",
                      registered_delivery=1)  # fmt: skip
    with scene(credits=10) as found:
        [answer] = submitted(found, pdu)
        assert answer.status == 0
        assert [(one.destination_addr, one.error_status_code) for one in answer.unsuccess_smes] == [
            ("12", S.ESME_RINVDSTADR)
        ]
        first, second = found.messages
        assert answer.message_id == str(first.id) and second.esme["of"] == first.id.hex
        assert found.cast.balance == 8


REFUSALS = [
    (submit_sm(destination_addr="12"), S.ESME_RINVDSTADR, {}),
    (submit_sm(destination_addr=""), S.ESME_RINVDSTADR, {}),
    (submit_sm(source_addr="far too long a sender"[:20]), S.ESME_RINVSRCADR, {}),
    (submit_sm(b""), S.ESME_RINVMSGLEN, {}),
    (submit_sm(b"\x04\x10", data_coding=8, esm_class=0), 0, {}),
    (submit_sm(b"abc", data_coding=8), S.ESME_RINVMSGLEN, {}),
    (submit_sm(b"\x7fno header", esm_class=0x40), S.ESME_RINVESMCLASS, {}),
    (submit_sm(esm_class=0x08), S.ESME_RINVESMCLASS, {}),
    (submit_sm(priority_flag=4), S.ESME_RINVPRTFLG, {}),
    (submit_sm(registered_delivery=3), S.ESME_RINVREGDLVFLG, {}),
    (submit_sm(replace_if_present_flag=2), S.ESME_RINVREPFLAG, {}),
    (submit_sm(sm_default_msg_id=9), S.ESME_RINVDFTMSGID, {}),
    (submit_sm(schedule_delivery_time="tomorrow at noon"), S.ESME_RINVSCHED, {}),
    (submit_sm(schedule_delivery_time="990000000000000R"), S.ESME_RINVSCHED, {}),
    (submit_sm(validity_period="no time is here!"), S.ESME_RINVEXPIRY, {}),
    (submit_sm(validity_period="000000000000000R"), S.ESME_RINVEXPIRY, {}),
    (submit_sm(tlvs=Tlvs([(0x020B, b"\x0b")])), S.ESME_RINVPARLEN, {}),
    (submit_sm(tlvs=Tlvs([(0x1400, b"x" * 600)])), S.ESME_RINVOPTPARAMVAL, {}),
    (submit_sm(tlvs=Tlvs([(0x020E, b"\x02")])), S.ESME_RMISSINGOPTPARAM, {}),
    (submit_sm(tlvs=Tlvs([(0x020C, b"\0\1"), (0x020E, b"\2"), (0x020F, b"\3")])), S.ESME_RINVOPTPARAMVAL, {}),
    (submit_sm(tlvs=Tlvs([(0x0424, b"and a payload")])), S.ESME_RINVMSGLEN, {}),
    (submit_sm(b"", tlvs=Tlvs([(0x0424, b"x" * 5000)])), S.ESME_RINVMSGLEN, {}),
    (SubmitMulti(dest_addresses=[DistributionList("friends")], short_message=b"x"), S.ESME_RCNTSUBDL, {}),
]


def test_every_refusal_has_its_status_writes_nothing_and_costs_nothing():
    with scene(credits=50) as found:
        answers = submitted(found, *(pdu for pdu, _, _ in REFUSALS))
        assert [hex(answer.status) for answer in answers] == [hex(status) for _, status, _ in REFUSALS]
        taken = sum(status == 0 for _, status, _ in REFUSALS)
        assert Message.objects.count() == taken and found.cast.balance == 50 - taken


def test_without_credits_nothing_is_sent():
    with scene(credits=0) as found:
        [answer] = submitted(found, submit_sm())
        assert answer.status == 0x400 and not Message.objects.exists()


def test_a_sender_that_is_not_registered_is_refused():
    answer, message, _ = one(submit_sm(), account={"sender_policy": "registered"})
    assert (answer.status, message) == (S.ESME_RINVSRCADR, None)


def test_without_a_route_the_destination_is_wrong():
    from routing.models import MtRoute

    with scene() as found:
        for route in MtRoute.objects.all():
            route.delete()
        # The snapshot is at most a second behind.
        wait_until(lambda: submitted(found, submit_sm())[0].status == S.ESME_RINVDSTADR, timeout=5)
        kept = Message.objects.count()
        [answer] = submitted(found, submit_sm())
        assert answer.status == S.ESME_RINVDSTADR and Message.objects.count() == kept


def test_over_the_rate_is_throttled_and_costs_nothing():
    with scene(credits=100, tps=5) as found:
        answers = submitted(found, *(submit_sm(str(n).encode()) for n in range(30)))
        good = [answer for answer in answers if answer.status == 0]
        assert {answer.status for answer in answers} == {0, S.ESME_RTHROTTLED}
        assert 5 <= len(good) <= 8 and len(found.messages) == len(good) and found.cast.balance == 100 - len(good)


def test_over_the_window_is_throttled():
    with scene(window=3) as found:

        async def talk():
            esme = await bound(found)
            answers = await asyncio.gather(*(esme.request(submit_sm()) for _ in range(20)))
            await esme.close()
            return answers

        answers = asyncio.run(talk())
        assert {answer.status for answer in answers} == {0, S.ESME_RTHROTTLED}
        assert len(found.messages) == sum(answer.status == 0 for answer in answers)
