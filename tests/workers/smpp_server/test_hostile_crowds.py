"""Crowds of hostile peers against a server process: its memory stays flat, and its customer notices nothing."""

import asyncio
import contextlib
import random
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from smpp.constants import CommandStatus as S
from tests.conformance.raw_peer import (
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    ENQUIRE_LINK,
    HEADER,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
    RawPeer,
    cstring,
    submit,
    tlv,
)  # fmt: skip
from tests.support.cast import SMPP_PASSWORD, customer, make_smpp_client
from tests.workers.smpp_server.cast import NUMBER
from tests.workers.smpp_server.processes import servers

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 100  # hostile connections
PER_ADDRESS = 200  # of a crowd; the door lets 400 in within ten seconds
GROWTH_MIB = 20.0
SLOWEST = 5.0  # seconds for the customer's worst answer meanwhile, on a machine that does other things too


def _head(command: int, length: int) -> bytes:
    return HEADER.pack(length & 0xFFFFFFFF, command, 0, 1)


ATTACKS = (
    b"",  # connects and says nothing
    b"\0\0",
    _head(BIND_TRANSCEIVER, 2**32 - 1),
    _head(BIND_TRANSCEIVER, 3),
    _head(0x77, 16) * 30,
    b"\xff" * 1_000,
    struct.pack(">L", 1_000) + b"\0" * 900,  # a frame that never ends
    _head(BIND_TRANSCEIVER, 16 + 6) + b"a\0b\0\0\x34",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    _head(SUBMIT_SM, 16) * 40,
)


@contextlib.contextmanager
def a_customer_at_work(port: int, system_id: str) -> Iterator[None]:
    """Submits all the while, on one session; at the end every text must have been taken, and soon enough.

    A machine that does other things as well may make the server, or its database, too slow: "again later", which takes
    nothing, is excused for one in ten; nothing else is.
    """
    over = threading.Event()

    def work() -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        with RawPeer(port) as peer:
            assert peer.bind(BIND_TRANSMITTER, system_id, SMPP_PASSWORD).status == 0
            while not over.wait(0.02):
                began = time.monotonic()
                found.append((peer.ask(SUBMIT_SM, submit(NUMBER)).status, time.monotonic() - began))
        return found

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            over.set()
        answers = working.result(30)
    assert {status for status, _ in answers} <= {0, S.ESME_RMSGQFUL, S.ESME_RSYSERR}
    assert sum(status == 0 for status, _ in answers) > 0.9 * len(answers)
    assert max(seconds for _, seconds in answers) < SLOWEST


async def attack(port: int, first: int, count: int) -> None:
    """`count` hostile connections, AT_ONCE at a time, from as many addresses as it takes to be let in."""

    async def one(number: int) -> None:
        address = f"127.{1 + number // PER_ADDRESS // 200}.0.{2 + number // PER_ADDRESS % 200}"
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        with contextlib.suppress(OSError, TimeoutError):  # cut off, or left waiting: both are right
            writer.write(ATTACKS[number % len(ATTACKS)])
            async with asyncio.timeout(0.2):
                while await reader.read(4096):
                    pass
        writer.transport.abort()

    for at in range(first, first + count, AT_ONCE):
        await asyncio.gather(*(one(number) for number in range(at, min(at + AT_ONCE, first + count))))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_hostile_connections_leave_no_memory_behind_and_harm_nobody(count, record_property):
    who = customer("100000")
    esme = make_smpp_client(who.account)
    with servers(1) as [server], a_customer_at_work(server.port, esme.system_id):
        asyncio.run(attack(server.port, 0, 300))  # code and buffers that everybody needs once
        before = server.rss_mib
        asyncio.run(attack(server.port, 300, count))
        grown = server.rss_mib - before
        record_property("rss_growth_mib", round(grown, 1))
        assert grown < GROWTH_MIB


BODIES = {
    SUBMIT_SM: submit(NUMBER, b"Hello", registered=1, more=tlv(0x1400, b"123") + tlv(0x0204, b"\0\1")),
    SUBMIT_MULTI: b"\0\5\0BANK\0\1\1\1\1" + cstring(NUMBER) + bytes(9) + b"\2hi",
    DATA_SM: b"\0\5\0BANK\0\1\1" + cstring(NUMBER) + bytes(3) + tlv(0x0424, b"by data"),
    QUERY_SM: cstring("0" * 36) + bytes(3),
    CANCEL_SM: b"\0" + cstring("0" * 36) + bytes(6),
    REPLACE_SM: cstring("0" * 36) + bytes(8),
    BIND_TRANSCEIVER: b"a\0b\0\0\x34\0\0\0",
    ENQUIRE_LINK: b"",
}


def mutated(dice: random.Random) -> bytes:
    """A PDU with octets changed, cut or doubled; its length is right, so that the stream goes on."""
    command, body = dice.choice(list(BODIES.items()))
    octets = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(octets) + 1)
        deed = dice.randrange(3)
        if deed == 0 and octets:
            octets[at % len(octets)] = dice.randrange(256)
        elif deed == 1:
            del octets[at : at + dice.randint(1, 8)]
        else:
            octets[at:at] = dice.randbytes(dice.randint(1, 8))
    command = command if dice.random() < 0.9 else dice.randrange(2**32)
    status = 0 if dice.random() < 0.9 else dice.randrange(2**32)
    return HEADER.pack(16 + len(octets), command, status, dice.randrange(2**32)) + bytes(octets)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutated_pdus_of_a_bound_peer_leave_no_memory_behind_and_harm_nobody(count, record_property):
    dice, who, hostile = random.Random(count), customer("100000"), customer("100000")
    esme, wild = make_smpp_client(who.account), make_smpp_client(hostile.account, max_binds=50)
    with servers(1) as [server], a_customer_at_work(server.port, esme.system_id):
        before = 0.0
        for at in range(0, count, 100):
            with RawPeer(server.port) as peer:
                assert peer.bind(BIND_TRANSCEIVER, wild.system_id, SMPP_PASSWORD).status == 0
                peer.write(b"".join(mutated(dice) for _ in range(100)))
                peer.send(ENQUIRE_LINK, sequence=0x7ABCDEF0)
                # An unbind may be among them; then the end of the session is the answer.
                while _goes_on(peer):
                    pass
            before = before or server.rss_mib
            assert server.rss_mib - before < GROWTH_MIB, at
        record_property("rss_growth_mib", round(server.rss_mib - before, 1))


def _goes_on(peer: RawPeer) -> bool:
    try:
        return peer.read().sequence != 0x7ABCDEF0
    except ConnectionError:
        return False


def test_two_hundred_guesses_get_few_looks_at_a_password_and_the_customer_still_binds():
    who = customer()
    esme = make_smpp_client(who.account)
    with servers(1) as [server]:

        def bind(password: str, address: str) -> int:
            with RawPeer(server.port, address=address) as peer:
                return peer.bind(BIND_TRANSMITTER, esme.system_id, password).status

        assert bind(SMPP_PASSWORD, "127.0.0.1") == 0
        began = time.monotonic()
        statuses = [bind(f"guess{number}", "127.0.0.66") for number in range(200)]
        seconds = time.monotonic() - began
        assert bind(SMPP_PASSWORD, "127.0.0.1") == 0
    assert set(statuses) == {S.ESME_RINVPASWD, S.ESME_RTHROTTLED}
    assert statuses.count(S.ESME_RINVPASWD) <= 5 + 2 * seconds
    assert set(statuses[-50:]) == {S.ESME_RTHROTTLED} or seconds > 30
