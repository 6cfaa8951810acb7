"""Receipts and texts reach the client, also those that came while he was away, and under one id at every try."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from common.clock import utc_now
from messaging import mailbox, webhooks
from messaging.models import Delivery
from smpp.constants import CommandStatus as S
from smpp.pdu import BindReceiver, BindTransmitter
from smpp.stream import StreamLimits
from tests.support.cast import SMPP_PASSWORD
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import Running, Scene, bound, scene, until
from tests.workers.smpp_server.cast import deliveries as rows_of
from tests.workers.smpp_server.mail import off, received, text_for
from workers.smpp_server import service

pytestmark = pytest.mark.django_db(transaction=True)


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


@pytest.mark.parametrize("leaves", [False, True])
def test_a_text_in_parts_goes_on_before_another_begins_whatever_is_answered_at_once(leaves):
    """The last answer before it and the one to its first part come in one read, while another long text waits."""
    with scene(deliver_window=2) as found:
        for content in ("first", "a" * 400, "b" * 400):
            text_for(found, content=content)

        async def talk():
            esme = await bound(found, BindReceiver, version=0x33, silent=True)
            for pdu in list(await esme.got(2)):
                esme.connection.respond(pdu.reply())
            assert [pdu.short_message[6:7] for pdu in (await esme.got(4))[2:]] == [b"a"] * 2
            if leaves:
                esme.connection.abort()
                esme = await bound(found, BindReceiver, version=0x33)
                return await esme.got(6)
            esme.silent = False
            for pdu in esme.received[2:]:
                esme.connection.respond(pdu.reply())
            return await esme.got(7)

        assert sorted(pdu.short_message[6:7] for pdu in asyncio.run(talk())[-6:]) == [b"a"] * 3 + [b"b"] * 3
        wait_until(lambda: {row.state for row in rows_of(found)} == {"DELIVERED"})
        wait_until(lambda: not found.server.service.shared.postman._holding.tokens())


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


def test_a_client_that_puts_everything_off_is_asked_rarely_and_gets_the_rest_when_it_can():
    with scene(deliver_window=5) as found:
        for number in range(60):
            text_for(found, content=str(number))

        async def talk():
            esme = await bound(found, BindReceiver, status=S.ESME_RMSGQFUL)
            await esme.got(10)
            await asyncio.sleep(1.5)  # enough for one more, and for all of them if it were not for the pause
            asked = len(esme.received)
            esme.status = 0
            await esme.got(60)
            await esme.close()
            return asked

        assert asyncio.run(talk()) <= 20
        wait_until(lambda: sum(row.state == "DELIVERED" for row in rows_of(found)) >= 40)


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
