"""query_sm, cancel_sm and replace_sm by the id of a submit_multi mean the messages to all of its numbers.

On PostgreSQL only, as every test with the server in a thread of its own: SQLite has one memory for both threads, and
one of them finds its tables locked.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from messaging.models import Message, Part
from smpp.constants import CommandStatus as S
from smpp.constants import MessageState
from smpp.pdu import CancelSm, QuerySm, ReplaceSm, SmeAddress, SubmitMulti
from tests.workers.smpp_server.cast import NUMBER, Scene, bound, scene
from tests.workers.smpp_server.test_asking import IN_AN_HOUR, conversation, submit_sm

pytestmark = pytest.mark.django_db(transaction=True)
SECOND, THIRD, NO_NUMBER = "971501234568", "971501234569", "12"


def submit_multi(*numbers, **fields) -> SubmitMulti:
    values = {"source_addr": "BANK", "source_addr_ton": 5, "short_message": b"Hello", "registered_delivery": 1}
    addresses = [SmeAddress(1, 1, number) for number in numbers]
    return SubmitMulti(dest_addresses=addresses, **{"schedule_delivery_time": IN_AN_HOUR, **values, **fields})


def states(found: Scene) -> dict[str, str]:
    return {message.recipient: message.status for message in found.messages}


def asked(found: Scene, command, *, numbers=(NUMBER, SECOND, THIRD), before=lambda: None, **fields):
    """Submit to the numbers, let `before` happen, and give the command with the id of them all; its answer."""

    async def talk():
        esme = await bound(found)
        sent = await esme.request(submit_multi(*numbers))
        await asyncio.to_thread(before)
        answer = await esme.request(command(message_id=sent.message_id, **fields))
        await esme.close()
        return answer

    return asyncio.run(talk())


def becomes(number, status, **fields):
    """The message to that number gets on."""

    def change():
        Message.objects.filter(recipient=number).update(status=status, **fields)
        Part.objects.filter(message__in=Message.objects.filter(recipient=number)).update(status=status)

    return change


@pytest.mark.parametrize("style", ["uuid", "dec", "hex"])
@pytest.mark.parametrize("numbers", [(NUMBER, SECOND, THIRD), (NO_NUMBER, NUMBER, SECOND, THIRD)])
def test_a_cancel_calls_all_of_them_back_also_when_the_first_number_was_refused(style, numbers):
    with scene(credits=10, id_style=style) as found:
        alone, sent, answer, again = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR),
            lambda _: submit_multi(*numbers),
            lambda answers: CancelSm(message_id=answers[1].message_id),
            lambda answers: CancelSm(message_id=answers[1].message_id),
        )
        assert (alone.status, sent.status, answer.status, again.status) == (0, 0, 0, S.ESME_RCANCELFAIL)
        assert [message.status for message in found.messages] == ["SCHEDULED", *["CANCELLED"] * 3]
        assert found.cast.balance == 9


def test_a_cancel_with_a_number_calls_back_that_message_only():
    with scene(credits=10) as found:
        assert asked(found, CancelSm, destination_addr=f"+{SECOND}").status == 0
        assert states(found) == {NUMBER: "SCHEDULED", SECOND: "CANCELLED", THIRD: "SCHEDULED"}
        assert found.cast.balance == 8


def test_a_cancel_calls_back_what_has_not_left_and_tells_that_some_has():
    with scene(credits=10) as found:
        answer = asked(found, CancelSm, before=becomes(SECOND, "SUBMITTING"))
        assert answer.status == S.ESME_RCANCELFAIL
        assert states(found) == {NUMBER: "CANCELLED", SECOND: "SUBMITTING", THIRD: "CANCELLED"}
        assert found.cast.balance == 9


def test_what_was_called_back_before_does_not_make_the_cancel_of_the_others_fail():
    with scene(credits=10) as found:
        *_, one, rest = conversation(
            found,
            lambda _: submit_multi(NUMBER, SECOND, THIRD),
            lambda answers: CancelSm(message_id=answers[0].message_id, destination_addr=THIRD),
            lambda answers: CancelSm(message_id=answers[0].message_id),
        )
        assert (one.status, rest.status, found.cast.balance) == (0, 0, 10)


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "state", "date"),
    [
        (("DELIVERED", "SUBMITTED", "REJECTED"), MessageState.ENROUTE, ""),
        (("DELIVERED", "DELIVERED", "DELIVERED"), MessageState.DELIVERED, "261101120200000+"),
        (("REJECTED", "DELIVERED", "DELIVERED"), MessageState.REJECTED, "261101120200000+"),
    ],
)
def test_a_query_tells_the_least_advanced_and_in_the_end_the_worst(statuses, state, date):
    with scene() as found:

        def before():
            for minutes, number in enumerate((NUMBER, SECOND, THIRD)):
                done = None if statuses[minutes] == "SUBMITTED" else NOON + timedelta(minutes=minutes)
                becomes(number, statuses[minutes], done_at=done)()

        told = asked(found, QuerySm, before=before)
        assert (told.status, told.message_state, told.final_date) == (0, state, date)


def test_a_replace_changes_all_of_them_or_none():
    with scene() as found:
        assert asked(found, ReplaceSm, short_message=b"Bye").status == 0
        assert [message.content for message in found.messages] == ["Bye"] * 3
    with scene() as found:
        answer = asked(found, ReplaceSm, short_message=b"Bye", before=becomes(SECOND, "SUBMITTING"))
        assert answer.status == S.ESME_RREPLACEFAIL
        assert [message.content for message in found.messages] == ["Hello"] * 3
