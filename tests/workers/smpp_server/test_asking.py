"""query_sm, cancel_sm and replace_sm on the client's own messages."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from messaging.models import Part
from smpp.constants import CommandStatus as S
from smpp.constants import MessageState
from smpp.pdu import CancelSm, QuerySm, ReplaceSm, SubmitSm
from smpp.times import parse_time
from tests.support.cast import make_smpp_client
from tests.workers.smpp_server.cast import NUMBER, Scene, bound, deliveries, scene
from workers.smpp_server import asking
from workers.smpp_server.shared import Shared

pytestmark = pytest.mark.django_db(transaction=True)
IN_AN_HOUR = "000000010000000R"


def submit_sm(**fields) -> SubmitSm:
    values = {"source_addr": "BANK", "source_addr_ton": 5, "destination_addr": NUMBER, "short_message": b"Hello"}
    return SubmitSm(**{**values, "registered_delivery": 1, **fields})


def conversation(found: Scene, *steps, version=0x34):
    """Each step makes a PDU of the answers so far; returns all answers."""

    async def talk():
        esme = await bound(found, version=version)
        answers = []
        for step in steps:
            answers.append(await esme.request(step(answers)))
        await esme.close()
        return answers

    return asyncio.run(talk())


async def at_once(found: Scene, pdus: list[SubmitSm]):
    """Submit them for in an hour."""
    esme = await bound(found)
    later = [replace(pdu, schedule_delivery_time=IN_AN_HOUR) for pdu in pdus]
    assert {answer.status for answer in await asyncio.gather(*map(esme.request, later))} == {0}
    await esme.close()


@pytest.mark.parametrize("style", ["uuid", "dec", "hex"])
def test_a_query_tells_the_state_under_the_id_that_was_given(style):
    with scene(id_style=style) as found:
        sent, told = conversation(
            found, lambda _: submit_sm(), lambda answers: QuerySm(message_id=answers[0].message_id)
        )
        assert (told.status, told.message_id, told.message_state) == (0, sent.message_id, MessageState.ENROUTE)
        assert told.final_date == ""


@pytest.mark.parametrize(
    ("version", "state"), [(0x33, MessageState.ENROUTE), (0x34, MessageState.ENROUTE), (0x50, MessageState.SCHEDULED)]
)
def test_a_scheduled_message_is_told_in_a_state_that_the_client_knows(version, state):
    with scene() as found:
        _, told = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: QuerySm(message_id=answers[0].message_id),
            version=version,
        )
        assert (told.status, told.message_state) == (0, state)


def test_a_query_tells_when_it_ended():
    with scene() as found:
        *_, told = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: CancelSm(message_id=answers[0].message_id, destination_addr=NUMBER),
            lambda answers: QuerySm(message_id=answers[0].message_id),
        )
        assert told.message_state == MessageState.DELETED
        ended = parse_time(told.final_date, now=datetime.now(UTC))
        assert abs(ended - datetime.now(UTC)) < timedelta(seconds=20)


@pytest.mark.parametrize("text", ["", "nonsense", "0" * 36, "123456789", "ffffffffffffffff", "f" * 32, "9" * 30])
def test_an_id_that_nobody_was_given_is_unknown(text):
    with scene(id_style="dec") as found:
        [told] = conversation(found, lambda _: QuerySm(message_id=text))
        assert told.status == S.ESME_RINVMSGID


def test_a_cancel_gives_the_money_back_and_tells_it_in_a_receipt():
    with scene(credits=10) as found:
        _, answer, again = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: CancelSm(message_id=answers[0].message_id),
            lambda answers: CancelSm(message_id=answers[0].message_id),
        )
        assert (answer.status, again.status) == (0, S.ESME_RCANCELFAIL)
        assert (found.message.status, found.cast.balance) == ("CANCELLED", 10)
        assert len(deliveries(found)) == 1


def test_what_is_on_its_way_is_not_cancelled():
    with scene(credits=10) as found:

        async def talk():
            esme = await bound(found)
            sent = await esme.request(submit_sm())
            await asyncio.to_thread(Part.objects.update, status="SUBMITTING")
            answer = await esme.request(CancelSm(message_id=sent.message_id))
            await esme.close()
            return answer

        assert asyncio.run(talk()).status == S.ESME_RCANCELFAIL
        assert found.cast.balance == 9


ELSEWHERE, SOMEBODY = {"destination_addr": "971509999999"}, {"source_addr": "OTHER", "source_addr_ton": 5}


@pytest.mark.parametrize(
    ("command", "wrong", "status"),
    [
        (CancelSm, ELSEWHERE, S.ESME_RCANCELFAIL),
        (CancelSm, SOMEBODY | {"destination_addr": NUMBER}, S.ESME_RCANCELFAIL),
        (CancelSm, {"destination_addr": "12"}, S.ESME_RINVDSTADR),
        (QuerySm, SOMEBODY, S.ESME_RQUERYFAIL),
        (ReplaceSm, SOMEBODY | {"short_message": b"Bye"}, S.ESME_RREPLACEFAIL),
    ],
)
def test_a_right_id_with_the_address_of_another_message_changes_nothing(command, wrong, status):
    with scene(credits=10) as found:
        _, answer = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: command(message_id=answers[0].message_id, **wrong),
        )
        message = found.message
        assert answer.status == status
        assert (message.status, message.content, found.cast.balance) == ("SCHEDULED", "Hello", 9)


@pytest.mark.parametrize("sender", [{"source_addr": "971500000001"}, {"source_addr": "+971500000001"}, {}])
def test_the_address_of_the_message_in_any_spelling_is_right(sender):
    with scene() as found:
        *_, asked, called = conversation(
            found,
            lambda _: submit_sm(source_addr="+971500000001", source_addr_ton=1, schedule_delivery_time=IN_AN_HOUR),
            lambda answers: QuerySm(message_id=answers[0].message_id, **sender),
            lambda answers: CancelSm(message_id=answers[0].message_id, destination_addr=f"+{NUMBER}", **sender),
        )
        assert (asked.status, called.status, found.message.status) == (0, 0, "CANCELLED")


def test_a_cancel_without_id_calls_back_what_waits_between_two_addresses():
    with scene(credits=10) as found:
        *_, answer, none = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR, source_addr="OTHER"),
            lambda _: CancelSm(source_addr="BANK", source_addr_ton=5, destination_addr=NUMBER),
            lambda _: CancelSm(source_addr="BANK", source_addr_ton=5, destination_addr=NUMBER),
        )
        assert (answer.status, none.status) == (0, S.ESME_RCANCELFAIL)
        assert sorted(message.status for message in found.messages) == ["CANCELLED", "CANCELLED", "SCHEDULED"]


def test_a_cancel_without_id_calls_back_all_of_that_sender_however_many_wait_before_them():
    with scene(window=500) as found:
        asyncio.run(at_once(found, [submit_sm()] * 101 + [submit_sm(source_addr="OTHER")] * 101))
        answer, none = conversation(
            found, *[lambda _: CancelSm(source_addr="OTHER", source_addr_ton=5, destination_addr=NUMBER)] * 2
        )
        assert (answer.status, none.status) == (0, S.ESME_RCANCELFAIL)
        tally = Counter((message.sender, message.status) for message in found.messages)
        assert tally == {("OTHER", "CANCELLED"): 101, ("BANK", "SCHEDULED"): 101}


def test_a_cancel_without_id_that_could_not_call_back_all_does_not_say_that_it_has(monkeypatch):
    monkeypatch.setattr(asking, "MOST_CANCELLED", 2)
    with scene() as found:
        asyncio.run(at_once(found, [submit_sm()] * 4))
        first, second, third = conversation(
            found, *[lambda _: CancelSm(source_addr="BANK", source_addr_ton=5, destination_addr=NUMBER)] * 3
        )
        assert (first.status, second.status, third.status) == (S.ESME_RCANCELFAIL, 0, S.ESME_RCANCELFAIL)
        assert {message.status for message in found.messages} == {"CANCELLED"}


def test_a_client_that_asks_much_at_once_has_one_turn_of_the_two():
    async def asks() -> list[str]:
        shared, told, busy = SimpleNamespace(_asking=defaultdict(asyncio.Lock), questions=asyncio.Semaphore(2)), [], []

        async def ask(client_id: int, name: str) -> None:
            async with Shared.turn(shared, client_id):
                busy.append(client_id)
                assert busy.count(client_id) == 1 and len(busy) <= 2
                await asyncio.sleep(0.001)
                busy.remove(client_id)
                told.append(name)

        await asyncio.gather(*(ask(1, "flood") for _ in range(50)), ask(2, "other"))
        return told

    assert asyncio.run(asks()).index("other") < 3


def test_a_replace_changes_text_date_and_receipt_of_what_waits():
    with scene() as found:
        _, answer = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: ReplaceSm(
                message_id=answers[0].message_id,
                short_message=b"Bye \x1b\x65",
                schedule_delivery_time="000000020000000R",
                registered_delivery=0,
            ),
        )
        assert answer.status == 0
        message = found.message
        assert (message.content, message.dlr, message.esme["reg"]) == ("Bye €", False, 0)
        part = Part.objects.get()
        assert part.send_at == message.send_at
        assert abs(part.send_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=20)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"short_message": b"x" * 200}, S.ESME_RREPLACEFAIL),  # two parts: one was paid
        ({"schedule_delivery_time": "nonsense of time"}, S.ESME_RINVSCHED),
        ({"validity_period": "nonsense of time"}, S.ESME_RINVEXPIRY),
        ({"sm_default_msg_id": 1}, S.ESME_RINVDFTMSGID),
    ],
)
def test_a_replace_that_cannot_be_changes_nothing(fields, status):
    with scene() as found:
        _, answer = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda answers: ReplaceSm(message_id=answers[0].message_id, **fields),
        )
        assert answer.status == status and found.message.content == "Hello" and found.message.dlr


@pytest.mark.parametrize("command", [QuerySm, CancelSm, ReplaceSm])
def test_the_id_of_another_client_of_the_same_account_is_unknown(command):
    with scene() as found:
        sibling = found.joined_by(make_smpp_client(found.cast.account))

        async def talk():
            own = await bound(found)
            sent = await own.request(submit_sm(schedule_delivery_time=IN_AN_HOUR))
            other = await bound(Scene(found.server, found.cast, sibling))
            answer = await other.request(command(message_id=sent.message_id))
            await own.close()
            await other.close()
            return answer

        assert asyncio.run(talk()).status == S.ESME_RINVMSGID
        assert (found.message.status, found.message.content) == ("SCHEDULED", "Hello")
