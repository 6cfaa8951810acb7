"""Peers that break the rules harm nobody but themselves."""

import asyncio
import os
import ssl
import struct

import pytest
from structlog.testing import capture_logs

from common.clock import utc_now
from smpp.codec import encode
from smpp.constants import CommandStatus as S
from smpp.pdu import BindTransceiver, EnquireLink, SubmitSm
from smpp.session_config import SessionConfig
from tests.support.cast import SMPP_PASSWORD, customer, make_smpp_client
from tests.support.certificates import self_signed
from tests.workers.smpp_server.cast import NUMBER, Scene, bound, link, scene, until
from workers.smpp_server import binding
from workers.smpp_server.door import Door, DoorLimits
from workers.smpp_server.register import Refusals

pytestmark = pytest.mark.django_db(transaction=True)


async def raw(found):
    return await asyncio.open_connection("127.0.0.1", found.port)


async def ended(reader, seconds: float = 10.0) -> bytes:
    """What the server still said before it closed."""
    async with asyncio.timeout(seconds):
        said = b""
        try:
            while data := await reader.read(4096):
                said += data
        except ConnectionResetError:
            return said
        return said


def header(command: int, length: int = 16, sequence: int = 1) -> bytes:
    return struct.pack(">LLLL", length, command, 0, sequence)


@pytest.mark.parametrize("length", [0, 15, 0xFFFFFFFF, 70_000, 2_000])
def test_an_impossible_length_ends_the_session_before_anything_is_allocated(length):
    with scene() as found:

        async def talk():
            other = await bound(found)
            reader, writer = await raw(found)
            writer.write(header(0x09, length))
            said = await ended(reader)
            writer.close()
            assert struct.unpack(">LLLL", said[:16])[1:3] == (0x80000000, S.ESME_RINVCMDLEN)
            assert (await other.request(EnquireLink())).status == 0
            await other.close()

        asyncio.run(talk())


def test_garbage_ends_the_session_and_others_go_on():
    with scene() as found:

        async def talk():
            other = await bound(found)
            for _ in range(20):
                reader, writer = await raw(found)
                writer.write(os.urandom(500))
                writer.write_eof()
                await ended(reader)
                writer.close()
            assert (await other.request(SubmitSm(destination_addr=NUMBER, short_message=b"x"))).status == 0
            await other.close()

        asyncio.run(talk())


def test_an_unknown_command_is_answered_and_the_session_goes_on_but_not_for_ever():
    with scene() as found:

        async def talk():
            reader, writer = await raw(found)
            writer.write(header(0x77))
            answer = await asyncio.wait_for(reader.readexactly(16), 5)
            assert struct.unpack(">LLLL", answer)[1:3] == (0x80000000, S.ESME_RINVCMDID)
            writer.write(header(0x77) * 30)
            await ended(reader)
            writer.close()

        asyncio.run(talk())


@pytest.mark.parametrize("drip", [False, True])
def test_the_time_until_a_bind_is_total(monkeypatch, drip):
    monkeypatch.setattr(binding, "UNBOUND", SessionConfig(max_frame=1024, session_init_seconds=1.0))
    with scene() as found:

        async def talk():
            reader, writer = await raw(found)
            closed = asyncio.ensure_future(ended(reader, 8))
            started = asyncio.get_running_loop().time()
            while drip and not closed.done():
                writer.write(b"\0")
                await asyncio.sleep(0.3)
                if asyncio.get_running_loop().time() - started > 6:
                    break
            await closed
            writer.close()

        asyncio.run(talk())


def test_a_flood_of_submits_by_one_leaves_the_others_their_answers():
    with scene(window=100_000) as found:
        neighbour = customer(10)
        quiet = found.joined_by(make_smpp_client(neighbour.account))

        async def talk():
            reader, writer = await raw(found)
            writer.write(encode(BindTransceiver(system_id=found.client.system_id, password=SMPP_PASSWORD, sequence=1)))
            await until(lambda: found.server.service.bound() == 1)
            flood = b"".join(
                encode(SubmitSm(destination_addr=NUMBER, short_message=b"x", sequence=n)) for n in range(2, 3002)
            )
            writer.write(flood)
            other = await bound(Scene(found.server, neighbour, quiet))
            started = asyncio.get_running_loop().time()
            answer = await other.request(SubmitSm(destination_addr=NUMBER, short_message=b"y"))
            assert answer.status == 0
            assert asyncio.get_running_loop().time() - started < 12
            await other.close()
            writer.close()
            del reader

        asyncio.run(talk())


def test_connections_of_one_address_are_counted(settings):
    settings.SMPP_CONNECTIONS_PER_ADDRESS = 3
    with scene() as found:

        async def talk():
            inside = [await raw(found) for _ in range(3)]
            reader, writer = await raw(found)
            assert await ended(reader) == b""
            writer.close()
            inside[0][1].close()
            await until(lambda: found.server.service.shared.door.inside == 2)
            esme = await bound(found)
            await esme.close()
            for _, one in inside:
                one.close()

        asyncio.run(talk())


def test_the_door_counts_what_comes_and_what_goes():
    now = [0.0]
    door = Door(DoorLimits(per_address=2, unbound=3, opened=5, seconds=10), clock=lambda: now[0])
    assert [door.enter("1.1.1.1"), door.enter("1.1.1.1"), door.enter("1.1.1.1")] == [True, True, False]
    assert [door.enter("2.2.2.2"), door.enter("3.3.3.3")] == [True, False]
    door.bound()
    assert door.enter("3.3.3.3")
    door.leave("1.1.1.1", bound=False)
    door.leave("1.1.1.1", bound=True)
    assert (door.inside, door.unbound, door.turned_away) == (2, 2, 2)
    assert door.enter("1.1.1.1")
    door.leave("1.1.1.1", bound=False)
    assert door.enter("1.1.1.1")  # the fifth within ten seconds
    door.leave("1.1.1.1", bound=False)
    assert not door.enter("1.1.1.1")
    now[0] = 11.0
    assert door.enter("1.1.1.1")


def test_a_quiet_receiver_is_not_cut_as_long_as_it_answers(monkeypatch):
    from tests.workers.smpp_server.test_binding import BindReceiver

    with scene(enquire_link_seconds=1, inactivity_seconds=3) as found:

        async def talk():
            esme = await bound(found, BindReceiver)
            await asyncio.sleep(5)
            assert not esme.connection.closed
            await esme.close()

            reader, writer = await raw(found)
            writer.write(encode(BindReceiver(system_id=found.client.system_id, password=SMPP_PASSWORD, sequence=1)))
            begun = utc_now()
            await ended(reader, 20)
            writer.close()
            return utc_now() - begun

        assert asyncio.run(talk()).total_seconds() < 15


def test_connections_that_never_shake_hands_are_counted_before_they_cost_anything(settings, tmp_path):
    cert, key = self_signed(tmp_path)
    settings.SMPP_TLS_CERT, settings.SMPP_TLS_KEY = str(cert), str(key)
    settings.SMPP_CONNECTIONS_PER_ADDRESS = 3
    with scene() as found:
        door, port = found.server.service.shared.door, found.server.service.tls_port
        context = ssl.create_default_context(cafile=str(cert))

        async def talk():
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await until(lambda: door.inside == 3)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await ended(reader) == b""
            writer.close()
            silent.pop()[1].close()
            await until(lambda: door.inside == 2)
            garbage, wrong = await asyncio.open_connection("127.0.0.1", port)
            wrong.write(os.urandom(100))
            await ended(garbage)
            wrong.close()
            await until(lambda: door.inside == 2)
            esme = await link(port, ssl=context)
            bind = BindTransceiver(system_id=found.client.system_id, password=SMPP_PASSWORD)
            assert (await esme.request(bind)).status == 0
            await esme.close()
            for _, one in silent:
                one.close()
            await until(lambda: (door.inside, door.unbound) == (0, 0))

        asyncio.run(talk())


def test_made_up_names_do_not_fill_the_memory_of_refusals():
    refusals = Refusals()
    with capture_logs():
        for number in range(20_500):
            for _ in range(2):
                refusals.note(system_id=f"n{number}", address="127.0.0.1", command="bind", status=15, reason="unknown")
    assert len(refusals._logged) <= 10_001 and len(refusals._kept) <= 10_001
