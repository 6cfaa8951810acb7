"""One key, one message, one answer: repeated, changed, at once, and in the same call."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction

from common.errors import Code, Rejected
from messaging.commands import Accepted, Replay
from messaging.models import IdempotencyKey, Message
from tests.support import cast
from tests.support.intake import accepted, command, make_intake, request

pytestmark = pytest.mark.both


@pytest.mark.django_db
def test_a_repeated_request_hears_the_first_answer_and_sends_nothing():
    who, intake = cast.customer("100"), make_intake()
    [first] = intake.submit_many([request(who, key="k")])
    [second] = intake.submit_many([request(who, key="k")])
    assert second == Replay(accepted(first).public_id)
    assert Message.objects.count() == 1
    assert who.balance == Decimal(99)


@pytest.mark.django_db
def test_the_truth_is_told_also_when_the_request_could_not_be_accepted_any_more():
    who, intake = cast.customer("1"), make_intake()
    [first] = intake.submit_many([request(who, key="k")])
    who.profile.routes.all().delete()
    cast.forget_snapshots()
    assert intake.submit_many([request(who, key="k")]) == [Replay(accepted(first).public_id)]


@pytest.mark.django_db
def test_the_same_key_with_another_body_is_refused():
    who, intake = cast.customer("100"), make_intake()
    intake.submit_many([request(who, key="k")])
    [answer] = intake.submit_many([request(who, key="k", body="another", content="changed")])
    assert isinstance(answer, Rejected)
    assert answer.code == Code.IDEMPOTENCY_CONFLICT
    assert Message.objects.count() == 1
    assert who.balance == Decimal(99)


@pytest.mark.django_db
def test_a_key_belongs_to_its_account():
    who, other, intake = cast.customer("100"), cast.stranger(), make_intake()
    answers = intake.submit_many([request(who, key="k"), request(other, key="k")])
    assert all(isinstance(answer[0], Accepted) for answer in answers)


@pytest.mark.django_db
def test_twice_the_same_key_in_one_call_is_one_message():
    who = cast.customer("100")
    requests = [request(who, key="k"), request(who), request(who, key="k"), request(who, key="k", body="other")]
    first, _, second, third = make_intake().submit_many(requests)
    assert second == Replay(accepted(first).public_id)
    assert isinstance(third, Rejected)
    assert Message.objects.count() == 2


@pytest.mark.django_db
def test_a_request_refused_as_a_whole_may_be_tried_again_under_its_key():
    who, intake = cast.customer("0"), make_intake()
    [refused] = intake.submit_many([request(who, key="k")])
    assert refused[0].code == Code.NO_CREDIT
    who.account.wallet.credit_limit = Decimal(5)
    who.account.wallet.save()
    [answer] = intake.submit_many([request(who, key="k")])
    accepted(answer)


@pytest.mark.django_db
def test_many_commands_under_one_key_are_answered_again_as_they_were():
    who, intake = cast.customer("2"), make_intake()
    commands = [command(who), command(who, to="abc"), command(who), command(who)]
    [first] = intake.submit_many([request(who, *commands, key="k")])
    assert [isinstance(outcome, Accepted) for outcome in first] == [True, False, True, False]
    ids = [outcome.public_id for outcome in first if isinstance(outcome, Accepted)]
    [again] = intake.submit_many([request(who, *commands, key="k")])
    assert again == Replay(f"{ids[0]},invalid_number,{ids[1]},no_credit")


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_with_one_key_make_one_message():
    who, intake = cast.customer("100"), make_intake()
    start = Barrier(10)

    def send(_):
        start.wait()
        try:
            return intake.submit_many([request(who, key="k")])[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(send, range(10)))
    message = Message.objects.get()
    for answer in answers:
        assert answer == Replay(str(message.id)) or accepted(answer).message_id == message.id
    assert sum(not isinstance(answer, Replay) for answer in answers) == 1
    assert who.balance == Decimal(99)
    assert IdempotencyKey.objects.get().response == str(message.id)


@pytest.mark.django_db(transaction=True)
def test_a_key_that_another_transaction_holds_is_in_flight_and_its_neighbours_pass():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite serialises writers: there is no transaction to wait for")
    who, other, intake = cast.customer("100"), cast.customer("100"), make_intake()
    held = IdempotencyKey(
        account=who.account, key="k", request_hash="hash", response="", created_at="2026-01-01T00:00Z"
    )
    requests = [request(who, key="k"), request(who), request(other, key="other")]
    with ThreadPoolExecutor(1) as thread, transaction.atomic():
        held.save()
        answers = thread.submit(_submit_and_close, intake, requests).result(20)
        transaction.set_rollback(True)
    assert answers[0].code == Code.IDEMPOTENCY_IN_FLIGHT
    assert [isinstance(answer[0], Accepted) for answer in answers[1:]] == [True, True]
    assert Message.objects.count() == 2


def _submit_and_close(intake, requests):
    try:
        return intake.submit_many(requests)
    finally:
        connection.close()
