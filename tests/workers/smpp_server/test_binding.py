"""Who may bind, how often, and what becomes of it."""

import asyncio
import ssl

import pytest

from accounts.models import ClientBind
from accounts.services import set_password
from smpp.constants import CommandStatus as S
from smpp.constants import Tag
from smpp.events import CloseReason
from smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    EnquireLink,
    Outbind,
    SubmitSm,
)
from tests.support.cast import SMPP_PASSWORD, make_account, make_smpp_client
from tests.support.certificates import self_signed
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, Running, Scene, bound, link, scene, until

pytestmark = pytest.mark.django_db(transaction=True)


def bind_status(found: Scene, command=BindTransceiver, **fields) -> int:
    """The answer to one bind on a connection of its own."""
    values = {"system_id": found.client.system_id, "password": SMPP_PASSWORD, **fields}

    async def talk():
        esme = await link(found.port)
        answer = await esme.request(command(**values))
        await esme.close()
        return answer.status

    return asyncio.run(talk())


@pytest.mark.parametrize("command", [BindTransmitter, BindReceiver, BindTransceiver])
@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
def test_every_mode_and_version_binds(command, version):
    with scene() as found:

        async def talk():
            esme = await link(found.port)
            answer = await esme.request(
                command(system_id=found.client.system_id, password=SMPP_PASSWORD, interface_version=version)
            )
            assert answer.status == 0
            # A 3.3 client must see no optional parameter.
            assert answer.tlvs.integer(Tag.SC_INTERFACE_VERSION) == (0x34 if version >= 0x34 else None)
            assert (await esme.request(EnquireLink())).status == 0
            await esme.close()
            assert (await esme.connection.wait_closed()).reason is CloseReason.UNBOUND

        asyncio.run(talk())


def test_a_wrong_password_and_an_unknown_system_id_are_told_apart_and_cut_off():
    with scene() as found:
        assert bind_status(found, password="wrong") == S.ESME_RINVPASWD
        assert bind_status(found, system_id="nobody") == S.ESME_RINVSYSID
        assert bind_status(found) == 0


def test_guessing_gets_slower():
    with scene() as found:
        statuses = [bind_status(found, password=f"no{n}") for n in range(8)]
        assert statuses[0] == S.ESME_RINVPASWD and statuses[-1] == S.ESME_RTHROTTLED


def test_a_suspended_account_does_not_bind():
    with scene(account={"active": False}) as found:
        assert bind_status(found) == S.ESME_RBINDFAIL


def test_an_address_outside_the_list_does_not_bind():
    with scene(ip_whitelist=["10.0.0.0/8"]) as found:
        assert bind_status(found) == S.ESME_RBINDFAIL
    with scene(ip_whitelist=["127.0.0.0/8"]) as found:
        assert bind_status(found) == 0


def test_only_allowed_modes_bind():
    with scene(bind_modes=["receiver"]) as found:
        assert bind_status(found, BindTransmitter) == S.ESME_RBINDFAIL
        assert bind_status(found, BindReceiver) == 0


def test_binds_are_counted_over_all_servers_and_a_seat_comes_back():
    with scene(max_binds=2) as found, Running() as other:
        elsewhere = Scene(other, found.cast, found.client)

        async def talk():
            first, second = await bound(found), await bound(elsewhere)
            third = await link(found.port)
            bind = BindTransceiver(system_id=found.client.system_id, password=SMPP_PASSWORD)
            assert (await third.request(bind)).status == S.ESME_RALYBND
            await second.close()
            await asyncio.sleep(0.3)
            fourth = await bound(found)
            await first.close()
            await fourth.close()

        asyncio.run(talk())


def test_a_second_bind_on_one_session_is_refused_and_the_session_goes_on():
    with scene() as found:

        async def talk():
            esme = await bound(found)
            # Our own session would not send it.
            esme.connection.session._bind_pending = False
            esme.connection._transport.write(raw(BindTransceiver(system_id="x", password="y", sequence=99)))
            await until(lambda: any("UnsolicitedResponse" in type(event).__name__ for event in esme.events))
            [event] = [event for event in esme.events if type(event).__name__ == "UnsolicitedResponse"]
            assert event.pdu.status == S.ESME_RALYBND
            assert (await esme.request(SubmitSm(destination_addr=NUMBER, short_message=b"on"))).status == 0
            await esme.close()

        asyncio.run(talk())


def raw(pdu) -> bytes:
    from smpp.codec import encode

    return encode(pdu)


@pytest.mark.parametrize(
    ("mode", "pdu"),
    [
        (None, SubmitSm(destination_addr=NUMBER, short_message=b"x", sequence=7)),
        (BindReceiver, SubmitSm(destination_addr=NUMBER, short_message=b"x", sequence=7)),
        (BindTransmitter, DeliverSm(sequence=7)),
        (None, Outbind(system_id="a", sequence=7)),
    ],
)
def test_what_is_not_allowed_in_a_state_is_answered_so(mode, pdu):
    with scene() as found:

        async def talk():
            esme = await (bound(found, mode) if mode else link(found.port))
            esme.connection._transport.write(raw(pdu))
            await until(lambda: any(type(event).__name__ == "UnsolicitedResponse" for event in esme.events))
            [event] = [event for event in esme.events if type(event).__name__ == "UnsolicitedResponse"]
            assert (event.pdu.sequence, event.pdu.status) == (7, S.ESME_RINVBNDSTS)
            await esme.close()

        asyncio.run(talk())
        assert found.messages == []


@pytest.mark.parametrize("change", ["off", "password"])
def test_who_may_no_longer_is_sent_away(change):
    with scene() as found:

        async def talk():
            esme = await bound(found)
            if change == "off":
                await asyncio.to_thread(found.change, active=False)
            else:
                await asyncio.to_thread(lambda: set_password(client=found.client))
            async with asyncio.timeout(6):
                return await esme.connection.wait_closed()

        assert asyncio.run(talk()).reason is CloseReason.PEER_UNBOUND


def test_who_is_bound_stands_in_the_table_and_so_does_who_was():
    with scene() as found:

        async def talk():
            esme = await bound(found, BindTransmitter)
            await asyncio.to_thread(wait_until, lambda: ClientBind.objects.filter(ended_at=None).exists(), timeout=8)
            await esme.request(SubmitSm(destination_addr=NUMBER, short_message=b"x"))
            await esme.close()

        asyncio.run(talk())
        wait_until(lambda: ClientBind.objects.exclude(ended_at=None).exists(), timeout=8)
        row = ClientBind.objects.get()
        assert (row.smpp_client, row.mode, row.version, row.address) == (found.client, "transmitter", 0x34, "127.0.0.1")
        assert (row.submitted, row.refused, row.reason) == (1, 0, "the peer unbound")


def test_tls_binds_and_a_client_may_be_tls_only(settings, tmp_path):
    cert, key = self_signed(tmp_path)
    settings.SMPP_TLS_CERT, settings.SMPP_TLS_KEY = str(cert), str(key)
    with scene(tls_only=True) as found:
        assert bind_status(found) == S.ESME_RBINDFAIL
        context = ssl.create_default_context(cafile=str(cert))

        async def talk():
            esme = await link(found.server.service.tls_port, ssl=context)
            answer = await esme.request(BindTransceiver(system_id=found.client.system_id, password=SMPP_PASSWORD))
            assert answer.status == 0
            assert (await esme.request(SubmitSm(destination_addr=NUMBER, short_message=b"x"))).status == 0
            await esme.close()

        asyncio.run(talk())
        assert found.message.content == "x"


def test_a_client_sees_nothing_of_another_account():
    with scene() as found:
        stranger = found.joined_by(make_smpp_client(make_account()))

        async def talk():
            from smpp.pdu import CancelSm, QuerySm

            own = await bound(found)
            answer = await own.request(
                SubmitSm(destination_addr=NUMBER, short_message=b"x", schedule_delivery_time="000000010000000R")
            )
            other = await bound(Scene(found.server, found.cast, stranger))
            query = await other.request(QuerySm(message_id=answer.message_id))
            cancel = await other.request(CancelSm(message_id=answer.message_id))
            mine = await own.request(QuerySm(message_id=answer.message_id))
            await own.close()
            await other.close()
            return query.status, cancel.status, mine.status

        assert asyncio.run(talk()) == (S.ESME_RINVMSGID, S.ESME_RINVMSGID, 0)
        assert found.message.status == "SCHEDULED"
