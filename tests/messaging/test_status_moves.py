"""The table of states: every pair of states is either in the table of the architecture or refused."""

import pytest

from messaging import status
from messaging.models import Status
from tests.messaging.underway import accepted, part_of
from tests.support.cast import customer

S = Status
LEGAL = {
    (S.SCHEDULED, S.QUEUED),
    (S.QUEUED, S.SUBMITTING),
    (S.SUBMITTING, S.SUBMITTED),
    (S.SUBMITTING, S.QUEUED),
    (S.SUBMITTING, S.SCHEDULED),
    (S.SUBMITTING, S.REJECTED),
    (S.SUBMITTING, S.FAILED),
    (S.SUBMITTING, S.UNCERTAIN),
    (S.UNCERTAIN, S.SUBMITTED),
    (S.UNCERTAIN, S.QUEUED),
    (S.UNCERTAIN, S.UNKNOWN),
    # late answers are facts
    (S.UNCERTAIN, S.SCHEDULED),
    (S.UNCERTAIN, S.REJECTED),
    (S.UNCERTAIN, S.FAILED),
    (S.QUEUED, S.SUBMITTED),
    (S.SUBMITTED, S.QUEUED),
    (S.SCHEDULED, S.SUBMITTED),
    *((S.SUBMITTED, to) for to in (S.DELIVERED, S.UNDELIVERED, S.EXPIRED, S.REJECTED, S.DELETED, S.UNKNOWN)),
    *((S.UNKNOWN, to) for to in (S.DELIVERED, S.UNDELIVERED, S.EXPIRED, S.REJECTED, S.DELETED)),
    *((before, to) for before in (S.SCHEDULED, S.QUEUED) for to in (S.CANCELLED, S.EXPIRED, S.FAILED)),
}


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_a_pair_of_states_is_legal_exactly_when_the_table_has_it(before, after):
    assert status.may(before, after) == ((before, after) in LEGAL)


@pytest.mark.both
@pytest.mark.django_db
def test_every_pair_on_a_real_row_moves_or_leaves_it_alone():
    message = accepted(customer())
    key = part_of(message).id
    for before in Status:
        for after in Status:
            type(part_of(message)).objects.filter(id=key).update(status=before)
            moved = status.move(after, {key: ()})
            assert moved == ({key} if (before, after) in LEGAL else set())
            assert part_of(message).status == (after if (before, after) in LEGAL else before)


@pytest.mark.both
@pytest.mark.django_db
def test_a_message_that_has_ended_stays_so_but_unknown_may_be_settled():
    message = accepted(customer())
    assert status.move_messages(S.UNKNOWN, {message.id: ()}) == {message.id}
    assert status.move_messages(S.UNKNOWN, {message.id: ()}) == set()
    assert status.move_messages(S.DELIVERED, {message.id: ()}) == {message.id}
    assert status.move_messages(S.UNDELIVERED, {message.id: ()}) == set()


@pytest.mark.parametrize(
    ("parts", "shows"),
    [
        ([S.QUEUED], S.QUEUED),
        ([S.DELIVERED, S.SUBMITTED], S.SUBMITTED),
        ([S.QUEUED, S.DELIVERED, S.SUBMITTING], S.QUEUED),
        ([S.DELIVERED, S.DELIVERED], S.DELIVERED),
        ([S.DELIVERED, S.UNKNOWN], S.UNKNOWN),
        ([S.SUBMITTED, S.UNDELIVERED], S.UNDELIVERED),
        ([S.EXPIRED, S.UNDELIVERED, S.DELIVERED], S.UNDELIVERED),
        ([S.CANCELLED, S.FAILED], S.FAILED),
        ([S.UNCERTAIN, S.SUBMITTED], S.UNCERTAIN),
    ],
)
def test_a_message_shows_its_worst_failure_or_its_least_advanced_part(parts, shows):
    assert status.roll_up(parts) == shows


@pytest.mark.parametrize(
    ("state", "word", "callback"),
    [
        ("DELIVERED", "DELIVRD", "DELIVRD"),
        ("UNDELIVERED", "UNDELIV", "UNDELIV"),
        ("FAILED", "UNDELIV", "UNDELIV"),
        ("REJECTED", "REJECTD", "REJECTD"),
        ("BLOCKED", "REJECTD", "REJECTD"),
        ("EXPIRED", "EXPIRED", "EXPIRED"),
        ("CANCELLED", "DELETED", "UNDELIV"),
        ("DELETED", "DELETED", "UNDELIV"),
        ("UNKNOWN", "UNKNOWN", "UNDELIV"),
        ("ENROUTE", "ENROUTE", "ENROUTE"),
        ("ACCEPTED", "ENROUTE", "ENROUTE"),
    ],
)
def test_customers_are_told_in_the_words_of_the_document(state, word, callback):
    assert (status.told(state), status.webhook_word(state)) == (word, callback)


def test_every_state_has_a_word_for_customers():
    assert all(status.told(state) for state in Status)
