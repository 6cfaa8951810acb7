"""replace_sm: what it says is what happens, and what cannot be is refused and changes nothing.

On PostgreSQL only, as every test with the server in a thread of its own.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import Code, Rejected
from common.gsm import Encoding
from messaging.models import Message, Part
from messaging.replace import Replacement, replace
from messaging.sweep import dispatch_due
from smpp.constants import CommandStatus as S
from smpp.pdu import ReplaceSm
from smpp.times import format_absolute
from tests.workers.smpp_server.cast import bound, scene
from tests.workers.smpp_server.test_asking import IN_AN_HOUR, conversation, submit_sm

pytestmark = pytest.mark.django_db(transaction=True)
IN_TWO_HOURS, IN_TWO_DAYS, HALF_AN_HOUR = "000000020000000R", "000002000000000R", "000000003000000R"
AT_ONCE, LONG_AGO = "000000000000000R", "260101000000000+"
NEAR = timedelta(seconds=20)


def dates():
    """(sending, end) as the message has them; those of its part are the same."""
    [message], [part] = Message.objects.all(), Part.objects.all()
    assert (message.send_at, message.expires_at) == (part.send_at, part.expires_at)
    return message.send_at, message.expires_at


def replaced(found, before, after):
    """Submit with the fields `before`, scheduled, then replace with the fields `after`; the answer."""
    fields = {"schedule_delivery_time": IN_AN_HOUR, **before}
    _, answer = conversation(
        found, lambda _: submit_sm(**fields), lambda answers: ReplaceSm(message_id=answers[0].message_id, **after)
    )
    return answer


@pytest.mark.parametrize("schedule", [AT_ONCE, LONG_AGO])
def test_a_message_that_shall_go_at_once_after_all_goes_at_once(schedule):
    with scene() as found:
        assert replaced(found, {}, {"schedule_delivery_time": schedule}).status == 0
        send_at, _ = dates()
        assert send_at <= datetime.now(UTC)
        assert dispatch_due() == 1
        assert Part.objects.get().status == "QUEUED"


def test_what_waits_for_its_turn_or_for_another_try_keeps_its_dates():
    with scene() as found:

        async def talk():
            esme = await bound(found)
            sent = await esme.request(submit_sm())
            now = await esme.request(ReplaceSm(message_id=sent.message_id, schedule_delivery_time=AT_ONCE))
            retry = datetime.now(UTC) + timedelta(minutes=5)
            await asyncio.to_thread(Part.objects.update, status="SCHEDULED", attempts=1, send_at=retry)
            again = await esme.request(ReplaceSm(message_id=sent.message_id, schedule_delivery_time=AT_ONCE))
            later = await esme.request(ReplaceSm(message_id=sent.message_id, schedule_delivery_time=IN_AN_HOUR))
            await esme.close()
            return retry, [answer.status for answer in (now, again, later)]

        retry, statuses = asyncio.run(talk())
        assert statuses == [0, 0, S.ESME_RREPLACEFAIL]
        assert (found.message.send_at, Part.objects.get().send_at) == (None, retry)


@pytest.mark.parametrize("schedule", [AT_ONCE, IN_TWO_HOURS, IN_TWO_DAYS])
def test_a_validity_keeps_its_length_when_the_date_moves(schedule):
    with scene() as found:
        assert replaced(found, {"validity_period": HALF_AN_HOUR}, {"schedule_delivery_time": schedule}).status == 0
        send_at, ends = dates()
        assert abs(ends - send_at - timedelta(minutes=30)) < NEAR


@pytest.mark.parametrize("given", ["submit", "replace"])
def test_a_date_beyond_the_end_that_was_given_by_the_clock_needs_a_new_validity(given):
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=90)
    fixed = {"validity_period": format_absolute(end)}
    with scene() as found:
        at_first, then = (fixed, {}) if given == "submit" else ({}, fixed)
        _, *answers = conversation(
            found,
            lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR, **at_first),
            lambda answers: ReplaceSm(message_id=answers[0].message_id, **then),
            lambda answers: ReplaceSm(message_id=answers[0].message_id, schedule_delivery_time=IN_TWO_HOURS),
            lambda answers: ReplaceSm(message_id=answers[0].message_id, schedule_delivery_time="000000012000000R"),
        )
        assert [answer.status for answer in answers] == [0, S.ESME_RINVEXPIRY, 0]
        send_at, ends = dates()
        assert abs(ends - end) < timedelta(seconds=1) and send_at < ends
        again = ReplaceSm(
            message_id=str(found.message.id), schedule_delivery_time=IN_TWO_HOURS, validity_period=HALF_AN_HOUR
        )
        [answer] = conversation(found, lambda _: again)
        send_at, ends = dates()
        assert (answer.status, ends - send_at) == (0, timedelta(minutes=30))


@pytest.mark.parametrize(
    ("fields", "begins", "ends"),
    [
        ({"validity_period": HALF_AN_HOUR}, 60, 90),
        ({"validity_period": HALF_AN_HOUR, "schedule_delivery_time": IN_TWO_HOURS}, 120, 150),
        ({"validity_period": HALF_AN_HOUR, "schedule_delivery_time": LONG_AGO}, None, 30),
        ({"validity_period": "000100000000000R"}, 60, 60 + 7 * 24 * 60),
    ],
)
def test_a_relative_validity_counts_from_the_sending(fields, begins, ends):
    with scene() as found:
        assert replaced(found, {}, fields).status == 0
        now, (begun, ended) = datetime.now(UTC), dates()
        assert begins is None or abs(begun - now - timedelta(minutes=begins)) < NEAR
        assert abs(ended - now - timedelta(minutes=ends)) < NEAR


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"validity_period": AT_ONCE}, S.ESME_RINVEXPIRY),
        ({"validity_period": LONG_AGO}, S.ESME_RINVEXPIRY),
        ({"registered_delivery": 3}, S.ESME_RINVREGDLVFLG),
    ],
)
def test_what_a_submit_may_not_ask_for_a_replace_may_not_either(fields, status):
    with scene() as found:
        assert replaced(found, {"validity_period": HALF_AN_HOUR}, fields).status == status
        send_at, ends = dates()
        assert (found.message.esme["reg"], ends - send_at) == (1, timedelta(minutes=30))


def test_what_a_limit_put_off_may_go_later_but_not_earlier():
    with scene(account={"daily_limit": 1}) as found:

        async def talk():
            esme = await bound(found)
            await esme.request(submit_sm())
            sent = await esme.request(submit_sm())
            asked = [
                ReplaceSm(message_id=sent.message_id, schedule_delivery_time=text)
                for text in (AT_ONCE, "000000000002000R", IN_TWO_DAYS)
            ]
            statuses = [(await esme.request(pdu)).status for pdu in asked]
            await esme.close()
            return statuses

        assert asyncio.run(talk()) == [S.ESME_RREPLACEFAIL, S.ESME_RREPLACEFAIL, 0]
        _, late = found.messages
        assert late.over_limit and late.send_at > datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize("alphabet", ["latin1", "ascii"])
@pytest.mark.parametrize(
    ("old", "new", "encoding"),
    [("forêt", "fenêtre", "ucs2"), ("Hello", "forêt", "ucs2"), ("forêt", "Hello", "gsm7"), ("été", "à là", "gsm7")],
)
def test_a_text_of_the_clients_own_alphabet_is_replaced_in_that_alphabet(alphabet, old, new, encoding):
    with scene(default_alphabet=alphabet) as found:
        before, after = old.encode("latin-1"), new.encode("latin-1")
        assert replaced(found, {"short_message": before}, {"short_message": after}).status == 0
        assert (found.message.content, found.message.encoding) == (new, encoding)


@pytest.mark.parametrize(
    ("coding", "octets", "new", "content"),
    [
        (8, "né".encode("utf-16-be"), "là".encode("utf-16-be"), "là"),
        (3, b"n\xe9", b"l\xe0", "là"),
        (0x10, b"\x00 here", b"\x00 there", "@ there"),  # flash: GSM 03.38, whatever the client's alphabet
    ],
)
def test_a_text_of_a_named_coding_is_replaced_in_that_coding(coding, octets, new, content):
    with scene(default_alphabet="latin1") as found:
        answer = replaced(found, {"short_message": octets, "data_coding": coding}, {"short_message": new})
        assert (answer.status, found.message.content) == (0, content)


def test_a_text_that_its_encoding_cannot_hold_is_refused():
    with scene() as found:
        conversation(found, lambda _: submit_sm(schedule_delivery_time=IN_AN_HOUR))
        message = found.message
        with pytest.raises(Rejected) as refusal:
            replace(
                account_id=message.account_id, smpp_client_id=found.client.pk, message_ids=[message.pk],
                by=Replacement(content="forêt", encoding=Encoding.GSM7),
            )  # fmt: skip
        assert refusal.value.code is Code.INVALID_ENCODING
        assert found.message.content == "Hello"
