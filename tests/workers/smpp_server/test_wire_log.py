"""What a customer finds in the log of his SMPP account: every PDU, every refusal with its reason, and no password."""

import asyncio
import contextlib

import pytest

from accounts.models import ClientBind
from accounts.services import set_password
from messaging.models import Message, WireLog
from messaging.wirelog import Filters, client_log, strangers_log, wire_log
from smpp.constants import CommandStatus as S
from smpp.constants import Tag
from smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    CancelSm,
    EnquireLink,
    SmeAddress,
    SubmitMulti,
    SubmitSm,
)
from smpp.tlvs import Tlvs
from tests.support.cast import SMPP_PASSWORD, customer, make_account, make_profile, make_smpp_client
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, Running, Scene, bound, link, scene, until

pytestmark = pytest.mark.django_db(transaction=True)


def told(found: Scene, **filters) -> list[dict]:
    """The client's log, the oldest first; the server is stopped first, which writes what was held."""
    found.server.stop()
    return list(reversed(wire_log(client_log(found.client), filters=Filters(**filters), texts=True, limit=1000).items))


def talk(*pdus, found: Scene, command=BindTransceiver) -> list[int]:
    """The statuses of these requests on one bound session."""

    async def session():
        esme = await bound(found, command)
        answers = [(await esme.request(pdu)).status for pdu in pdus]
        await esme.close()
        return answers

    return asyncio.run(session())


def knock(found: Scene, command=BindTransceiver, **fields) -> int:
    """The answer to a bind on a connection of its own."""
    values = {"system_id": found.client.system_id, "password": SMPP_PASSWORD, **fields}

    async def session():
        esme = await link(found.port)
        answer = await esme.request(command(**values))
        await esme.connection.wait_closed()
        return answer.status

    return asyncio.run(session())


def test_a_session_is_told_from_its_bind_to_its_end():
    with scene() as found:
        talk(SubmitSm(destination_addr=NUMBER, short_message=b"hi"), EnquireLink(), found=found)
        entries = told(found)
    assert [(one["direction"], one.get("command")) for one in entries] == [
        ("in", "bind_transceiver"), ("out", "bind_transceiver_resp"), ("in", "submit_sm"), ("out", "submit_sm_resp"),
        ("in", "enquire_link"), ("out", "enquire_link_resp"), ("in", "unbind"), ("out", "unbind_resp"), ("event", None),
    ]  # fmt: skip
    assert len({one["link"] for one in entries}) == 1 and entries[0]["link"].startswith("127.0.0.1:")
    assert entries[2]["text"]["content"] == "hi" and entries[3]["fields"]["message_id"]
    assert entries[3]["milliseconds"] > 0
    assert entries[-1]["reason"] == "ended: the peer unbound"
    assert not any(one["reason"] for one in entries[:-1])


def test_what_is_new_is_in_the_table_within_seconds():
    with scene() as found:

        async def session():
            esme = await bound(found)
            await esme.request(SubmitSm(destination_addr=NUMBER, short_message=b"hi"))
            await asyncio.to_thread(wait_until, lambda: WireLog.objects.filter(kind="client").exists(), timeout=5)
            await esme.close()

        asyncio.run(session())


def text(to: str = NUMBER, octets: bytes = b"x", **fields) -> SubmitSm:
    return SubmitSm(destination_addr=to, short_message=octets, **fields)


def sar(number: int, total: int) -> Tlvs:
    values = ((Tag.SAR_MSG_REF_NUM, 7), (Tag.SAR_TOTAL_SEGMENTS, total), (Tag.SAR_SEGMENT_SEQNUM, number))
    tlvs = Tlvs()
    for tag, value in values:
        tlvs.add(tag, value)
    return tlvs


TWO = [SmeAddress(1, 1, "12"), SmeAddress(1, 1, NUMBER)]
REFUSED = [
    (text("12"), S.ESME_RINVDSTADR, "Invalid destination number (to: too_short)"),
    (text(source_addr="far too long"), S.ESME_RINVSRCADR, "Invalid sender"),
    (text(octets=b""), S.ESME_RINVMSGLEN, "to and content required"),
    (text(priority_flag=9), S.ESME_RINVPRTFLG, "priority_flag 9"),
    (text(validity_period="nonsense"), S.ESME_RINVEXPIRY, "is no time"),
    (text(octets=b"\5\0\3\1\2\5part", esm_class=0x40), S.ESME_RINVESMCLASS, "udh: 010205 is no reference with a part"),
    (text(octets=b"\5\0\3\1\0\0part", esm_class=0x40), S.ESME_RINVESMCLASS, "udh: 010000 is no reference"),
    (text(octets=b"part", tlvs=sar(0, 0)), S.ESME_RINVOPTPARAMVAL, "sar part 0 of 0"),
    (text(octets=b"part", tlvs=sar(0, 2)), S.ESME_RINVOPTPARAMVAL, "sar part 0 of 2"),
    (text(octets=b"part", tlvs=sar(2, 1)), S.ESME_RINVOPTPARAMVAL, "sar part 2 of 1"),
    (CancelSm(message_id="nobody's"), S.ESME_RINVMSGID, "there is no such message"),
    (SubmitMulti(dest_addresses=TWO, short_message=b"x"), 0, "1 of 2 refused: Invalid destination number"),
    (text(), 0x400, "credit"),
]


def test_every_refused_request_says_why_and_nothing_is_written_or_charged_for_it():
    with scene(credits=1) as found:
        assert talk(*(pdu for pdu, _, _ in REFUSED), found=found) == [status for _, status, _ in REFUSED]
        answers = [one for one in told(found, errors=True) if one["direction"] == "out"]
        for one, (_, status, reason) in zip(answers, REFUSED, strict=True):
            assert one["status"] == status and reason in one["reason"], one
        assert Message.objects.filter(smpp_client=found.client).count() == 1 and found.cast.balance == 0


def test_over_the_rate_says_so():
    with scene(tps=1, account={"over_limit": "reject"}) as found:
        assert S.ESME_RTHROTTLED in talk(*[text()] * 4, found=found)
        [reason] = {one["reason"] for one in told(found, status=int(S.ESME_RTHROTTLED)) if one["direction"] == "out"}
        assert "limit" in reason


def test_without_a_route_says_so():
    cast = customer()
    client = make_smpp_client(cast.account)
    make_profile(cast.connector, assigned_to=client, prefix="1")
    with Running() as server:
        found = Scene(server, cast, client)
        assert talk(text(), found=found) == [S.ESME_RINVDSTADR]
        [_, refused, _] = told(found, errors=True)
    assert refused["reason"] == "No route to this number" and cast.balance == 100


WHY = [
    ({}, {"password": "wrong-pw"}, S.ESME_RINVPASWD, "wrong password for {me}, from 127.0.0.1"),
    ({"ip_whitelist": ["10.0.0.0/8"]}, {}, S.ESME_RBINDFAIL, "127.0.0.1 is not among the addresses from which {me}"),
    ({"active": False}, {}, S.ESME_RBINDFAIL, "Account suspended; {me} from 127.0.0.1"),
    ({"tls_only": True}, {}, S.ESME_RBINDFAIL, "{me} binds by TLS only"),
    ({"bind_modes": ["transmitter"]}, {}, S.ESME_RBINDFAIL, "bind_transceiver is not allowed for {me}"),
]


@pytest.mark.parametrize(("client", "fields", "status", "reason"), WHY, ids=[reason for *_, reason in WHY])
def test_every_refused_bind_says_why_in_the_log_of_whom_it_named(client, fields, status, reason):
    with scene(**client) as found:
        assert knock(found, **fields) == status
        entries = told(found)
    assert [one.get("command") for one in entries] == ["bind_transceiver", "bind_transceiver_resp", None]
    assert entries[1]["reason"].startswith(reason.format(me=found.client.system_id))
    assert entries[2]["reason"] == "ended: the bind was refused"
    assert list(WireLog.objects.values_list("kind", flat=True)) == ["knock"]
    assert not ClientBind.objects.exists()


def test_guesses_and_too_many_binds_say_so_too():
    with scene(max_binds=1) as found:

        async def twice():
            first = await bound(found)
            second = await link(found.port)
            bind = BindReceiver(system_id=found.client.system_id, password=SMPP_PASSWORD)
            assert (await second.request(bind)).status == S.ESME_RALYBND
            await first.close()

        asyncio.run(twice())
        statuses = [knock(found, password=f"no{n}") for n in range(8)]
        assert statuses[-1] == S.ESME_RTHROTTLED
        reasons = [one["reason"] for one in told(found) if one.get("status")]
    assert reasons[0].startswith("1 binds at most")
    assert reasons[-1].startswith(f"too many wrong passwords for {found.client.system_id} or from 127.0.0.1: wait")


def test_no_password_is_kept_of_good_and_of_bad_binds():
    with scene() as found:
        knock(found, password="Wr0ngPwd")
        knock(found, system_id="nobody", password="L0stPwd")
        talk(EnquireLink(), found=found)

        async def again():
            esme = await bound(found)
            esme.connection.session.state = esme.connection.session.state.OPEN
            esme.connection.submit(BindTransmitter(system_id=found.client.system_id, password="Tw1cePwd"))
            await until(lambda: any("ResponseReceived" in type(event).__name__ for event in esme.events))
            esme.connection.abort()

        asyncio.run(again())
        entries = [*told(found), *wire_log(strangers_log(), texts=True).items]
    binds = [one for one in entries if one.get("command", "").startswith("bind_") and "password" in one["fields"]]
    assert len(binds) == 5 and {one["fields"]["password"] for one in binds} == {"********"}
    hexes = bytes.fromhex("".join(one.get("hex", "") for one in entries))
    for password in (SMPP_PASSWORD, "Wr0ngPwd", "L0stPwd", "Tw1cePwd"):
        assert password.encode() not in hexes and password not in str(entries)


def test_an_unknown_system_id_is_told_to_the_operator_alone():
    with scene() as found:
        assert knock(found, system_id="nobody") == S.ESME_RINVSYSID
        assert told(found) == []
    entries = wire_log(strangers_log()).items
    assert entries[1]["reason"] == "there is no system_id 'nobody'; asked from 127.0.0.1"
    assert list(WireLog.objects.values_list("kind", "key")) == [("stranger", 0)]


def test_who_never_binds_and_who_is_turned_away_at_the_door_is_told_to_the_operator(settings):
    settings.SMPP_CONNECTIONS_PER_ADDRESS = 1
    with scene() as found:

        async def crowd():
            inside_reads, inside = await asyncio.open_connection("127.0.0.1", found.port)
            reads, outside = await asyncio.open_connection("127.0.0.1", found.port)
            await gone(reads)
            inside.write(b"GET / HTTP/1.1\r\n\r\n")
            await gone(inside_reads)
            inside.close()
            outside.close()

        asyncio.run(crowd())
        found.server.stop()
    reasons = [one["reason"] for one in wire_log(strangers_log()).items]
    assert any(reason.startswith("turned away: too many connections") for reason in reasons)
    assert any(reason.startswith("ended: the frame boundary was lost: command_length is") for reason in reasons)


async def gone(reader: asyncio.StreamReader) -> None:
    """Wait until the server has closed, in order or not."""
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)


@pytest.mark.parametrize("how", ["sent away", "stopped"])
def test_the_history_of_binds_tells_why_we_ended_one(how):
    with scene() as found:

        async def session():
            esme = await bound(found)
            if how == "sent away":
                await asyncio.to_thread(lambda: set_password(client=found.client))
            else:
                found.server.service.stop()
            async with asyncio.timeout(8):
                await esme.connection.wait_closed()

        asyncio.run(session())
        entries = told(found)
    reason = {"sent away": "sent away: the password was changed", "stopped": "the server was stopped"}[how]
    assert ClientBind.objects.get().reason == reason
    assert entries[-1]["reason"] == f"ended: {reason}"


def test_nobody_finds_anothers_pdus_in_his_log():
    with scene() as found:
        other = found.joined_by(make_smpp_client(make_account()))
        talk(SubmitSm(destination_addr=NUMBER, short_message=b"mine"), found=found)
        assert told(found)
        assert wire_log(client_log(other)).items == []
