"""Receipts and texts as the client reads them: in his style, in his alphabet, and whether he is told at all."""

import asyncio
import json
import re

import pytest

from common.ids import derive
from messaging import deliveries
from messaging.models import Status
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import BindTransceiver, DataSm, SmeAddress, SubmitMulti
from smpp.receipts import read_receipt
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, bound, scene
from tests.workers.smpp_server.cast import deliveries as rows_of
from tests.workers.smpp_server.mail import end, off, received, sent, submit_sm, text_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_receipt_that_came_while_the_client_was_away_waits_and_says_everything():
    with scene() as found:
        pdu = submit_sm()
        pdu.tlvs.add(Tag.USER_MESSAGE_REFERENCE, 77)
        [answer] = asyncio.run(sent(found, pdu))
        end(found, found.message)
        [receipt] = received(found, 1)
        assert (receipt.source_addr, receipt.destination_addr, receipt.dest_addr_ton) == (NUMBER, "BANK", 5)
        assert receipt.esm_class == EsmClass.SMSC_RECEIPT
        pattern = (
            rf"id:{answer.message_id} sub:001 dlvrd:001 submit date:\d{{10}} done date:\d{{10}} "
            r"stat:DELIVRD err:000 text:Hello, how are you t"
        )
        assert re.fullmatch(pattern, receipt.short_message.decode())
        assert receipt.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) == answer.message_id
        assert receipt.tlvs.integer(Tag.MESSAGE_STATE) == MessageState.DELIVERED
        assert receipt.tlvs.integer(Tag.USER_MESSAGE_REFERENCE) == 77
        wait_until(lambda: rows_of(found)[0].state == "DELIVERED")
        assert rows_of(found)[0].tries == 1


STYLES = [
    ([], 0x34, lambda pdu: b"sub:001" in pdu.short_message and len(pdu.tlvs) == 3),
    (["no_counts"], 0x34, lambda pdu: b"sub:" not in pdu.short_message),
    (["seconds"], 0x34, lambda pdu: re.search(rb"done date:\d{12} ", pdu.short_message)),
    (["no_tlvs"], 0x34, lambda pdu: not pdu.tlvs and pdu.short_message),
    (["no_text"], 0x34, lambda pdu: not pdu.short_message and len(pdu.tlvs) == 3),
    (["no_text"], 0x33, lambda pdu: pdu.short_message and not pdu.tlvs),
    (["data_sm"], 0x34, lambda pdu: isinstance(pdu, DataSm) and pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD)),
    ([], 0x33, lambda pdu: pdu.short_message and not pdu.tlvs),
]  # fmt: skip


def test_receipts_are_written_in_the_clients_style_and_read_back_the_same():
    with scene() as found:
        for options, version, right in STYLES:
            found.change(receipt_options=options)
            [answer] = asyncio.run(sent(found, submit_sm()))
            end(found, found.messages[-1], Status.UNDELIVERED, "011")
            [pdu] = received(found, 1, version=version)
            assert right(pdu), (options, version, pdu)
            read = read_receipt(pdu)
            assert read is not None and answer.message_id in (read.id_tlv, read.id_text), options
            assert read.state is MessageState.UNDELIVERABLE


@pytest.mark.parametrize("style", ["dec", "hex"])
def test_the_receipt_has_the_id_of_the_answer_even_when_the_style_has_changed_since(style):
    with scene(id_style=style) as found:
        [answer] = asyncio.run(sent(found, submit_sm()))
        found.change(id_style="uuid")
        end(found, found.message)
        [pdu] = received(found, 1)
        assert f"id:{answer.message_id} ".encode() in pdu.short_message


@pytest.mark.parametrize(
    ("bits", "status", "told"),
    [(0, "DELIVERED", 0), (1, "DELIVERED", 1), (1, "EXPIRED", 1), (2, "DELIVERED", 0), (2, "UNDELIVERED", 1),
     (0x10, "DELIVERED", 0), (0x11, "DELIVERED", 1)],
)  # fmt: skip
def test_registered_delivery_decides_who_is_told(bits, status, told):
    with scene() as found:
        asyncio.run(sent(found, submit_sm(registered_delivery=bits)))
        end(found, found.message, status)
        assert len(rows_of(found)) == told


@pytest.mark.parametrize(("bits", "told"), [(1, 0), (0x11, 1)])
def test_that_it_is_under_way_is_told_to_whom_asked(bits, told):
    with scene() as found:
        asyncio.run(sent(found, submit_sm(registered_delivery=bits)))
        end(found, found.message, "ENROUTE", number=deliveries.UNDERWAY)
        assert len(rows_of(found)) == told
        if told:
            [pdu] = received(found, 1)
            assert pdu.esm_class == EsmClass.INTERMEDIATE and b"stat:ENROUTE" in pdu.short_message


def test_receipts_of_a_submit_multi_carry_the_id_that_it_was_answered_with():
    with scene() as found:
        numbers = [SmeAddress(1, 1, NUMBER), SmeAddress(1, 1, "971501234568")]
        pdu = SubmitMulti(dest_addresses=numbers, short_message=b"x", registered_delivery=1, source_addr="BANK",
                          source_addr_ton=5)  # fmt: skip
        [answer] = asyncio.run(sent(found, pdu))
        for message in found.messages:
            end(found, message)
        pdus = received(found, 2)
        assert {pdu.source_addr for pdu in pdus} == {NUMBER, "971501234568"}
        assert {pdu.tlvs.text(Tag.RECEIPTED_MESSAGE_ID) for pdu in pdus} == {answer.message_id}


def test_a_receipt_goes_to_a_bound_client_at_once():
    with scene() as found:

        async def talk():
            esme = await bound(found, BindTransceiver)
            await esme.request(submit_sm())
            await off(lambda: end(found, found.message))
            started = asyncio.get_running_loop().time()
            await esme.got(1)
            waited = asyncio.get_running_loop().time() - started
            await esme.close()
            return waited

        assert asyncio.run(talk()) < 0.5


TEXTS = [
    ({"content": "hi €"}, {}, (0, b"hi \x1b\x65", 0)),
    ({"content": "été"}, {"default_alphabet": "latin1"}, (0, "été".encode("latin-1"), 0)),
    ({"content": "Ж", "encoding": "ucs2"}, {}, (8, "Ж".encode("utf-16-be"), 0)),
    ({"content": "00ff", "encoding": "binary"}, {}, (4, b"\x00\xff", 0)),
    ({"content": "part", "udh": bytes.fromhex("050003010201")}, {}, (0, bytes.fromhex("050003010201") + b"part", 0x40)),
]  # fmt: skip


def test_texts_come_in_the_clients_alphabet():
    with scene() as found:
        for facts, client, (coding, octets, esm_class) in TEXTS:
            found.change(**{"default_alphabet": "gsm", **client})
            text_for(found, **facts)
            [pdu] = received(found, 1)
            assert (pdu.data_coding, pdu.short_message, pdu.esm_class) == (coding, octets, esm_class), facts
            assert (pdu.source_addr, pdu.destination_addr, pdu.dest_addr_ton) == ("971501112233", "4444", 3)


def test_a_long_text_is_a_payload_or_parts_where_there_are_no_tlvs():
    with scene() as found:
        text_for(found, content="a" * 400)
        [pdu] = received(found, 1)
        assert pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD) == b"a" * 400
        text_for(found, content="a" * 400)
        parts = received(found, 3, version=0x33)
        assert [pdu.short_message[:6][3:] for pdu in parts] == [
            bytes((parts[0].short_message[3], 3, n)) for n in (1, 2, 3)
        ]
        assert b"".join(pdu.short_message[6:] for pdu in parts) == b"a" * 400
        wait_until(lambda: {row.state for row in rows_of(found)} == {"DELIVERED"})


def test_the_body_of_a_row_is_the_facts():
    with scene() as found:
        asyncio.run(sent(found, submit_sm()))
        end(found, found.message)
        [row] = rows_of(found)
        assert row.id == derive(found.message.id, 1001) and json.loads(row.body)["state"] == MessageState.DELIVERED
        assert (row.url, row.next_try_at, row.state) == ("", None, "PENDING")
