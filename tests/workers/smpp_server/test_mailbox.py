"""Receipts and texts reach the client, also those that came while he was away, and under one id at every try."""

import asyncio
import json
import re
import socket
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from common.clock import utc_now
from common.ids import derive, new_id
from messaging import client_texts, deliveries, mailbox, webhooks
from messaging.client_texts import TextFacts, TextFor
from messaging.deliveries import Told
from messaging.models import Delivery, Status
from messaging.rows import read_messages
from smpp.addresses import Address
from smpp.constants import CommandStatus as S
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter, DataSm, SmeAddress, SubmitMulti, SubmitSm
from smpp.receipts import read_receipt
from smpp.stream import StreamLimits
from tests.support.cast import SMPP_PASSWORD
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, Running, Scene, bound, scene, until
from tests.workers.smpp_server.cast import deliveries as rows_of
from workers.smpp_server import service

pytestmark = pytest.mark.django_db(transaction=True)


def end(found: Scene, message, status=Status.DELIVERED, code="", number=deliveries.FINAL) -> None:
    """The network has told how a message ended."""
    event = Told(
        message=read_messages([message.id])[message.id], status=status, error_code=code,
        connector_id=found.cast.connector.pk, at=utc_now(), number=number,
    )  # fmt: skip
    deliveries.plan([event], now=utc_now())


def text_for(found: Scene, content="hi", encoding="gsm7", **fields) -> None:
    """A handset has written to the client."""
    facts = TextFacts(
        source=Address("971501112233", 1, 1), destination=Address("4444", 3, 0),
        content=content, encoding=encoding, **fields,
    )  # fmt: skip
    owner, client = found.cast.account.pk, found.client.pk
    client_texts.plan([TextFor(inbound_id=new_id(), account_id=owner, smpp_client_id=client, facts=facts)])


async def sent(found: Scene, *pdus, **options):
    """Submit over a transmitter; returns the answers."""
    esme = await bound(found, BindTransmitter, **options)
    answers = [await esme.request(pdu) for pdu in pdus]
    await esme.close()
    return answers


def submit_sm(**fields) -> SubmitSm:
    values = {"source_addr": "BANK", "source_addr_ton": 5, "destination_addr": NUMBER, "dest_addr_ton": 1,
              "dest_addr_npi": 1, "short_message": b"Hello, how are you today?", "registered_delivery": 1}  # fmt: skip
    return SubmitSm(**{**values, **fields})


async def off(function, *args, **kwargs):
    """Database work beside the loop."""
    return await asyncio.to_thread(lambda: function(*args, **kwargs))


def received(found: Scene, count: int, **options):
    """What a receiver gets; it acknowledges."""

    async def talk():
        esme = await bound(found, BindReceiver, **options)
        pdus = list(await esme.got(count))
        await asyncio.sleep(0.1)
        await esme.close()
        return pdus

    return asyncio.run(talk())


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


def test_a_text_of_more_parts_than_the_window_has_slots_arrives_part_by_part():
    with scene(deliver_window=1) as found:
        text_for(found, content="a" * 400)
        text_for(found, content="b")
        parts = received(found, 4, version=0x33)
        assert [pdu.short_message[6:7] for pdu in parts[:3]] == [b"a"] * 3 and parts[3].short_message == b"b"
        wait_until(lambda: {(row.state, row.tries) for row in rows_of(found)} == {("DELIVERED", 1)})


def test_a_part_that_is_put_off_keeps_the_others_back_and_all_come_again():
    with scene(deliver_window=1) as found:
        text_for(found, content="a" * 400)

        async def talk():
            esme = await bound(found, BindReceiver, version=0x33, status=S.ESME_RX_T_APPN)
            await esme.got(1)
            await off(lambda: wait_until(lambda: rows_of(found)[0].tries == 1))
            await esme.close()
            return esme.received

        assert len(asyncio.run(talk())) == 1
        assert rows_of(found)[0].state == "PENDING"


def test_a_client_that_reads_again_gets_what_waited_for_it_at_once(monkeypatch):
    """What was claimed before needs no look from time to time, and is not given back first."""
    monkeypatch.setattr(service, "LIMITS", StreamLimits(write_high=4096, write_cut=1 << 24, tick_seconds=0.1))
    with scene(deliver_window=50) as found:

        async def talk():
            esme = await bound(found, BindReceiver)
            [session] = found.server.service.shared.register
            for link in (esme.connection, session.connection):
                raw = link._transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            esme.connection._transport.pause_reading()
            for _ in range(100):
                await off(lambda: text_for(found, content="x" * 20_000))
            await until(lambda: not session.connection.writable)
            esme.connection._transport.resume_reading()
            await esme.got(100)
            await esme.close()

        asyncio.run(talk())


def test_a_thousand_wait_and_come_in_order_within_the_window():
    with scene(deliver_window=10) as found:
        for number in range(300):
            text_for(found, content=f"{number:04}")

        async def talk():
            esme = await bound(found, BindReceiver, silent=True)
            await esme.got(10)
            await asyncio.sleep(0.5)
            assert len(esme.received) == 10  # the window
            esme.silent = False
            for pdu in list(esme.received):
                esme.connection.respond(pdu.reply())
            await esme.got(300)
            await asyncio.sleep(0.2)
            await esme.close()
            return [pdu.short_message for pdu in esme.received]

        assert asyncio.run(talk()) == [f"{number:04}".encode() for number in range(300)]
        wait_until(lambda: {row.state for row in rows_of(found)} == {"DELIVERED"})


def test_binds_of_one_client_share_his_mail_and_two_servers_do_too():
    with scene(deliver_window=5) as found, Running() as other:
        for number in range(60):
            text_for(found, content=str(number))

        async def talk():
            here = await bound(found, BindReceiver)
            there = await bound(Scene(other, found.cast, found.client), BindReceiver)
            await until(lambda: len(here.received) + len(there.received) >= 60)
            await asyncio.sleep(0.3)
            await here.close()
            await there.close()
            return [pdu.short_message for pdu in here.received + there.received]

        texts = asyncio.run(talk())
        assert sorted(map(int, texts)) == list(range(60))


def test_what_was_not_answered_when_the_session_ended_comes_again_with_the_same_id():
    with scene() as found:
        text_for(found)

        async def talk():
            esme = await bound(found, BindReceiver, silent=True)
            [first] = await esme.got(1)
            esme.connection.abort()
            again = await bound(found, BindReceiver)
            [second] = await again.got(1)
            await again.close()
            return first, second

        first, second = asyncio.run(talk())
        assert first.tlvs.raw(0x3F00) == second.tlvs.raw(0x3F00) == str(rows_of(found)[0].id).encode()


@pytest.mark.parametrize(
    ("status", "state", "wait"),
    [(S.ESME_RX_T_APPN, "PENDING", 30), (S.ESME_RMSGQFUL, "PENDING", 30), (S.ESME_RTHROTTLED, "PENDING", 30),
     (S.ESME_RX_P_APPN, "EXHAUSTED", None), (S.ESME_RX_R_APPN, "EXHAUSTED", None)],
)  # fmt: skip
def test_a_client_may_put_off_or_refuse(status, state, wait):
    with scene() as found:
        text_for(found)

        async def talk():
            esme = await bound(found, BindReceiver, status=status)
            await esme.got(1)
            await off(lambda: wait_until(lambda: rows_of(found)[0].state == state))
            await esme.close()

        asyncio.run(talk())
        row = rows_of(found)[0]
        assert (row.tries, row.last_code) == (1, status)
        if wait:
            ahead = (row.next_try_at - datetime.now(UTC)).total_seconds()
            assert wait - 10 < ahead <= wait


def test_waits_grow_from_half_a_minute_to_an_hour():
    assert [mailbox.wait_after(tries) for tries in (1, 2, 3, 8, 50)] == [30, 60, 120, 3600, 3600]


def test_what_nobody_fetches_in_seven_days_ends():
    with scene() as found:
        text_for(found)
        text_for(found)
        old = rows_of(found)[0]
        Delivery.objects.filter(pk=old.pk).update(created_at=utc_now() - timedelta(days=8))
        mailbox.expire()  # the server's own look at its start may have come first
        wait_until(lambda: [row.state for row in rows_of(found)] == ["EXHAUSTED", "PENDING"])
        assert mailbox.expire() == 0


def test_what_a_dead_server_held_is_claimed_again_under_the_same_id():
    """kill -9 leaves CLAIMED rows: their lease ends."""
    with scene() as found:
        text_for(found)
        [held] = mailbox.claim(token=1, room={found.client.pk: 10})
        assert mailbox.claim(token=2, room={found.client.pk: 10}) == []
        Delivery.objects.update(lease_until=F("lease_until") - timedelta(seconds=mailbox.LEASE + 1))
        assert webhooks.release_stale() == 1
        mailbox.record([mailbox.Handed(held, "DELIVERED", 0.0, 0)])  # the dead one's word no longer counts
        [pdu] = received(found, 1)
        assert pdu.tlvs.raw(0x3F00) == str(held.id).encode()


def test_a_stop_gives_back_what_was_not_written_and_waits_for_answers():
    with scene(deliver_window=2) as found:
        for number in range(6):
            text_for(found, content=str(number))

        async def talk():
            esme = await bound(found, BindReceiver, silent=True)
            pdus = await esme.got(2)
            stopping = asyncio.create_task(asyncio.to_thread(found.server.stop))
            await asyncio.sleep(0.3)
            for pdu in pdus:
                esme.connection.respond(pdu.reply())
            await stopping

        asyncio.run(talk())
        states = sorted(row.state for row in rows_of(found))
        assert states == ["DELIVERED"] * 2 + ["PENDING"] * 4
        assert [row.tries for row in rows_of(found) if row.state == "PENDING"] == [0] * 4


def test_a_transmitter_gets_nothing():
    with scene() as found:
        text_for(found)

        async def talk():
            esme = await bound(found, BindTransmitter)
            await asyncio.sleep(0.5)
            await esme.close()
            return esme.received

        assert asyncio.run(talk()) == [] and rows_of(found)[0].state == "PENDING"


def test_the_body_of_a_row_is_the_facts():
    with scene() as found:
        asyncio.run(sent(found, submit_sm()))
        end(found, found.message)
        [row] = rows_of(found)
        assert row.id == derive(found.message.id, 1001) and json.loads(row.body)["state"] == MessageState.DELIVERED
        assert (row.url, row.next_try_at, row.state) == ("", None, "PENDING")


def test_a_client_that_reads_nothing_is_cut_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(
        service, "LIMITS", StreamLimits(write_high=4096, write_cut=1 << 20, slow_reader_seconds=1.0, tick_seconds=0.1)
    )
    with scene(deliver_window=400) as found:
        for _ in range(400):
            text_for(found, content="x" * 20_000)

        async def talk():
            _, writer = await asyncio.open_connection("127.0.0.1", found.port, limit=1)
            from smpp.codec import encode

            writer.write(encode(BindReceiver(system_id=found.client.system_id, password=SMPP_PASSWORD, sequence=1)))
            await until(lambda: found.server.service.bound() == 1)
            writer.transport.pause_reading()
            await until(lambda: found.server.service.bound() == 0, 20)
            writer.close()

        asyncio.run(talk())
        wait_until(lambda: {row.state for row in rows_of(found)} == {"PENDING"})
        assert len(rows_of(found)) == 400
