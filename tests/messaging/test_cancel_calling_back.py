"""Cancelling: all of a message or nothing of it."""

import pytest

from common.errors import Code, Rejected
from common.ids import derive, new_id
from messaging import sweep
from messaging.cancel import cancel
from messaging.models import Part, Status
from tests.messaging.underway import accepted, bind, now, past, sent, shown, state_of, told
from tests.support.cast import customer, stranger

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


@pytest.mark.parametrize("before", [Status.QUEUED, Status.SCHEDULED])
def test_a_waiting_message_is_cancelled_refunded_and_told(cast, before):
    message = accepted(cast, parts=3, status=before, send_at=now())
    assert cancel(account_id=cast.account.pk, message_id=message.id) == 3
    assert (shown(message).status, [state_of(message, seq) for seq in (1, 2, 3)]) == (
        Status.CANCELLED,
        [Status.CANCELLED] * 3,
    )
    assert cast.balance == 100
    assert ['"status":"UNDELIV"' in found.body for found in told(message)] == [True]
    assert bind(cast).claim() == []


def test_one_part_on_its_way_keeps_the_whole_message(cast):
    message = accepted(cast, parts=2)
    bind(cast).claim([derive(message.id, 1)])
    with pytest.raises(Rejected) as refusal:
        cancel(account_id=cast.account.pk, message_id=message.id)
    assert refusal.value.code == Code.NOT_CANCELLABLE
    assert [state_of(message, seq) for seq in (1, 2)] == [Status.SUBMITTING, Status.QUEUED]
    assert cast.balance == 98
    assert told(message) == []


def test_what_may_have_been_sent_already_cannot_be_cancelled(cast):
    line = bind(cast)
    message = accepted(cast)
    line.claim()
    line.answer(message, "uncertain")
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    assert state_of(message) == Status.QUEUED
    with pytest.raises(Rejected):
        cancel(account_id=cast.account.pk, message_id=message.id)
    assert cast.balance == 99


def test_nothing_is_cancelled_twice_or_after_the_answer(cast):
    line = bind(cast)
    gone = sent(cast, line)
    message = accepted(cast)
    cancel(account_id=cast.account.pk, message_id=message.id)
    for key in (gone.id, message.id):
        with pytest.raises(Rejected):
            cancel(account_id=cast.account.pk, message_id=key)
    assert [state_of(gone), state_of(message)] == [Status.SUBMITTED, Status.CANCELLED]
    assert cast.balance == 99
    assert len(told(message)) == 1


def test_a_stranger_cancels_nothing(cast):
    message = accepted(cast)
    with pytest.raises(Rejected) as refusal:
        cancel(account_id=stranger().account.pk, message_id=message.id)
    assert refusal.value.code == Code.NOT_FOUND
    assert state_of(message) == Status.QUEUED
    assert cast.balance == 99


def test_an_unknown_message_is_not_found(cast):
    with pytest.raises(Rejected) as refusal:
        cancel(account_id=cast.account.pk, message_id=new_id())
    assert refusal.value.code == Code.NOT_FOUND
