"""Over a rate or a daily limit: sent later or refused, as the account chose (requirements 1C)."""

from datetime import UTC, datetime, timedelta

import pytest

from common.errors import Code, Rejected
from common.pacer import Pacer
from messaging.admission import Admitted, admit
from messaging.intake import Intake
from messaging.models import Message, OutboxBatch, Part
from messaging.outbox import Outbox
from messaging.preparation import prepare
from tests.support import cast
from tests.support.intake import PostBox, accepted, command, make_intake, request

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def asked(who, count, pacer=None, now=NOON, **fields):
    messages = [prepare(command(who, **fields), now) for _ in range(count)]
    return admit(messages, now, pacer or Pacer(None))


def delays(verdicts, now=NOON):
    return [
        round((v.send_at - now).total_seconds(), 1) if v.send_at else 0 for v in verdicts if isinstance(v, Admitted)
    ]


def refused(verdicts):
    return [verdict for verdict in verdicts if isinstance(verdict, Rejected)]


def test_without_limits_everything_goes_now():
    assert delays(asked(cast.customer(), 50)) == [0] * 50


def test_what_is_over_the_clients_rate_is_dated_at_its_slot():
    verdicts = asked(cast.customer(client={"rate_limit": 2}), 6)
    found = delays(verdicts)
    assert found[:2] == [0, 0]
    assert found == sorted(found)
    assert 1.0 <= found[-1] <= 2.0
    assert [verdict.over_limit for verdict in verdicts] == [delay > 0 for delay in found]


def test_a_slot_more_than_ten_minutes_ahead_is_refused():
    verdicts = asked(cast.customer(client={"rate_limit": 1}), 700)
    late = refused(verdicts)
    assert 90 <= len(late) <= 100
    assert verdicts[-len(late) :] == late  # the last ones, never one in between
    assert {refusal.code for refusal in late} == {Code.RATE_LIMITED}
    assert all(refusal.retry_after > 0 for refusal in late)
    assert max(delays(verdicts)) <= 600


def test_an_account_that_rejects_is_refused_at_once_with_the_time_to_wait():
    verdicts = asked(cast.customer(over_limit="reject", client={"rate_limit": 2}), 10)
    assert set(delays(verdicts)) == {0}
    late = refused(verdicts)
    assert len(late) >= 7
    assert all(0 < refusal.retry_after <= 1 for refusal in late)


def test_the_accounts_rate_holds_over_all_its_clients():
    who = cast.customer(tps=2)
    from accounts.snapshot import accounts

    second = cast.make_client(who.account)
    pacer = Pacer(None)
    asked(who, 3, pacer)
    verdicts = asked(who, 3, pacer, api_client=accounts().client(second.pk))
    assert all(delay > 0 for delay in delays(verdicts))


def test_over_the_daily_limit_the_next_day_of_the_accounts_zone_is_used_spread_over_the_rate():
    who = cast.customer(time_zone="Asia/Dubai", daily_limit=0, client={"daily_limit": 3, "rate_limit": 10})
    verdicts = asked(who, 6)
    midnight = datetime(2026, 5, 1, 20, tzinfo=UTC)  # 2 May 00:00 in Dubai
    assert delays(verdicts)[:3] == [0, 0, 0]
    assert [v.send_at for v in verdicts[3:]] == [midnight + timedelta(seconds=i / 10) for i in range(3)]
    assert all(verdict.over_limit for verdict in verdicts[3:])


def test_a_full_next_day_passes_them_on_to_the_day_after():
    who, pacer = cast.customer(daily_limit=2), Pacer(None)
    days = [v.send_at.date().day if v.send_at else 1 for v in asked(who, 5, pacer)]
    assert days == [1, 1, 2, 2, 3]
    assert [v.send_at.date().day for v in asked(who, 1, pacer)] == [3]


def test_over_the_daily_limit_an_account_that_rejects_is_refused_until_midnight():
    verdicts = asked(cast.customer(over_limit="reject", daily_limit=1), 3)
    assert [refusal.retry_after for refusal in refused(verdicts)] == [12 * 3600] * 2
    assert "Daily limit" in refused(verdicts)[0].message


def test_a_refused_message_does_not_count_for_the_day():
    who, pacer = cast.customer(over_limit="reject", daily_limit=2), Pacer(None)
    asked(who, 10, pacer)
    assert pacer.count_day(f"account:{who.account.pk}", NOON.date().isoformat(), 0) == 2


def test_a_zone_that_nobody_knows_is_the_sites():
    assert delays(asked(cast.customer(time_zone="Mars/Olympus", daily_limit=5), 1)) == [0]


def test_a_message_dated_by_its_customer_needs_no_slot_of_this_second():
    later = NOON + timedelta(hours=2)
    verdicts = asked(cast.customer(client={"rate_limit": 1}), 3, send_at=later)
    assert [(v.send_at, v.over_limit) for v in verdicts] == [(later, False)] * 3


@pytest.mark.both
def test_a_queued_message_is_scheduled_paid_and_named_for_ever():
    who, box = cast.customer("100", client={"rate_limit": 1}), PostBox()
    intake, pacer = make_intake(box), Pacer(None)
    intake = Intake(Outbox(lambda: box), lambda: pacer)
    answers = intake.submit_many([request(who) for _ in range(3)])
    last = accepted(answers[-1])
    assert (last.queued, last.status, last.public_id) == (True, "SCHEDULED", f"queued_{last.message_id}")
    message = Message.objects.get(id=last.message_id)
    assert message.over_limit
    assert message.send_at == Part.objects.get(message=message).send_at > message.created_at
    assert message.expires_at == message.send_at + timedelta(days=1)
    assert who.balance == 97
    assert message.id.hex[:12] not in "".join(OutboxBatch.objects.values_list("parts", flat=True)[1:])


@pytest.mark.both
def test_a_rate_refusal_writes_nothing_and_charges_nothing():
    who = cast.customer("100", over_limit="reject", client={"rate_limit": 1})
    answers = make_intake().submit_many([request(who) for _ in range(5)])
    assert [answer[0].code for answer in answers[2:]] == [Code.RATE_LIMITED] * 3
    written = Message.objects.count()
    assert written in (1, 2)
    assert who.balance == 100 - written
