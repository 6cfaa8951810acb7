"""The bench's carrier: it answers, reports once, keeps its window, and says when each message came."""

import asyncio
import time
from contextlib import asynccontextmanager

from bench.carrier import Carrier, Session, read_journal
from smpp import stream
from smpp.constants import CommandId
from smpp.events import RequestReceived
from smpp.pdu import BindTransceiver, EnquireLink, QuerySm, SubmitSm
from smpp.receipts import read_receipt


@asynccontextmanager
async def bound(carrier, on_request):
    """A customer's connection; `on_request(connection, pdu)` for each deliver_sm."""
    server = await asyncio.get_running_loop().create_server(lambda: Session(carrier), "127.0.0.1", 0)
    connection = await stream.connect("127.0.0.1", server.sockets[0].getsockname()[1])

    def on_events(events):
        for event in events:
            if isinstance(event, RequestReceived):
                on_request(connection, event.pdu)

    connection.on_events = on_events
    answer = await connection.request(BindTransceiver(system_id="gw", password="pw"), timeout=5)
    assert answer.status == 0
    yield connection
    connection.abort()
    server.close()


def submit(number):
    return SubmitSm(source_addr="INFO", destination_addr=str(number), registered_delivery=1, short_message=b"hello")


async def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        await asyncio.sleep(0.005)


async def test_it_answers_after_its_delay_reports_once_and_keeps_the_arrival(tmp_path):
    seen = []

    def take(connection, pdu):
        seen.append(read_receipt(pdu))
        connection.respond(pdu.reply())

    with (tmp_path / "journal").open("wb") as journal:
        carrier = Carrier(delay=0.05, receipt_delay=0.01, window=100, journal=journal)
        async with bound(carrier, take) as connection:
            began = time.perf_counter()
            first = await connection.request(submit(971500000001), timeout=5)
            answered = time.perf_counter()
            second = await connection.request(submit(971500000002), timeout=5)
            await until(lambda: carrier.receipts_acked == 2)
    assert answered - began >= 0.045
    assert [receipt.message_id for receipt in seen] == [first.message_id, second.message_id]
    arrived = read_journal(tmp_path / "journal")
    assert set(arrived) == {971500000001, 971500000002}
    assert began <= arrived[971500000001] <= answered


async def test_receipts_wait_for_room_in_the_window():
    held = []
    carrier = Carrier(delay=0.0, receipt_delay=0.0, window=3, journal=None)
    async with bound(carrier, lambda connection, pdu: held.append(pdu)) as connection:
        for number in range(5):
            await connection.request(submit(971500000000 + number), timeout=5)
        await until(lambda: len(held) == 3)
        assert carrier.receipts == 3
        connection.respond(held[0].reply())
        await until(lambda: len(held) == 4)


async def test_what_a_lost_session_left_unanswered_goes_to_the_next():
    held, again = [], []
    carrier = Carrier(delay=0.0, receipt_delay=0.0, window=10, journal=None)
    async with bound(carrier, lambda connection, pdu: held.append(pdu)) as connection:
        answer = await connection.request(submit(971500000001), timeout=5)
        await until(lambda: held)
    async with bound(carrier, lambda connection, pdu: again.append(pdu)):
        await until(lambda: again)
    assert read_receipt(again[0]).message_id == answer.message_id


async def test_it_answers_enquire_link_and_refuses_what_it_does_not_know():
    carrier = Carrier(delay=0.0, receipt_delay=0.0, window=10, journal=None)
    async with bound(carrier, lambda connection, pdu: None) as connection:
        assert (await connection.request(EnquireLink(), timeout=5)).command_id == CommandId.ENQUIRE_LINK_RESP
        refused = await connection.request(QuerySm(message_id="1"), timeout=5)
        assert (refused.command_id, refused.status) == (CommandId.GENERIC_NACK, 3)
