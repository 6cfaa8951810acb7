"""The bench's customer over SMPP, against the bench's carrier: everything is sent once, answered, and acknowledged."""

import asyncio
import time
from contextlib import asynccontextmanager

from bench.carrier import Carrier, Session
from bench.smpp_load import Customer, Login, frames

NUMBERS = list(range(971500000000, 971500000200))


@asynccontextmanager
async def serving(receipt_delay=0.0):
    """A carrier, and a login for it."""
    carrier = Carrier(delay=0.0, receipt_delay=receipt_delay, window=20, journal=None)
    server = await asyncio.get_running_loop().create_server(lambda: Session(carrier), "127.0.0.1", 0)
    yield carrier, Login(server.sockets[0].getsockname()[1], "gw", "pw")
    server.close()


async def test_everything_is_sent_once_within_the_windows_and_every_receipt_is_acknowledged():
    async with serving() as (carrier, login), Customer(login, binds=3, window=7) as customer:
        seen = await customer.send(frames(NUMBERS, ["hello"] * len(NUMBERS)))
        await customer.receipts(len(NUMBERS))
        assert (carrier.submits, seen.statuses) == (200, {0: 200})
        assert sorted(number for _, _, number in seen.read_receipts()) == NUMBERS
        assert {key for _, key, _ in seen.read_receipts()} == set(seen.message_ids.values())
        assert all(sent < answered for sent, answered in zip(seen.began, seen.answered, strict=True))
        async with asyncio.timeout(5):
            while carrier.receipts_acked < 200:  # noqa: ASYNC110 - the carrier counts on this loop
                await asyncio.sleep(0.01)
        assert not seen.ended


async def test_a_pace_is_kept():
    async with serving() as (_, login), Customer(login, binds=2, window=1) as customer:
        began = time.perf_counter()
        seen = await customer.send(frames(NUMBERS[:60], ["hello"] * 60), rate=200)
        assert seen.statuses == {0: 60} and time.perf_counter() - began >= 59 / 200
