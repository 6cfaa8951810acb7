"""A receipt about which a statement always runs into its timeout, or a carrier with very many, holds back nobody else.

PostgreSQL only: SQLite ends no statement after a time, and has no rows that another one could hold.
"""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from common.errors import SendKind
from common.ids import derive, new_id
from common.jobs import recorder
from messaging import receipts, sweep
from messaging.models import LineBatch, Message, Part, Receipt, Status
from messaging.receipts import TRIES, halving, matching, parked
from tests.messaging.underway import accepted, bind, part_of, past, receipt, receipt_for, sent, state_of, told
from tests.support.cast import NUMBER, customer

pytestmark = pytest.mark.django_db(transaction=True)
CROWDED = "971509998877"


@pytest.fixture
def impatient(monkeypatch):
    """Statements of this connection end after a fifth of a second."""
    monkeypatch.setattr(halving, "PATIENCE", 0.2)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 200")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET statement_timeout")


@contextmanager
def slow(message):
    """While statements about the message's part do not end in time: another session holds its row."""
    held, over = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                Part.objects.select_for_update().get(id=derive(message.id, 1))
                held.set()
                over.wait(60)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        yield
    finally:
        over.set()
        thread.join()


def test_a_batch_that_always_times_out_is_tried_five_times_and_is_in_nobodys_way(cast, line, impatient):
    culprit, *others = [sent(cast, line) for _ in range(6)]
    with recorder():
        first = receipts.store(line.connector_id, 1, [receipt_for(m) for m in (others[0], culprit, *others[1:3])])
        second = receipts.store(line.connector_id, 1, [receipt_for(m) for m in others[3:]])
    with slow(culprit):
        receipts.record_waiting([second], on_text=list)
        assert [state_of(message) for message in others] == [Status.DELIVERED] * 5
        left = LineBatch.objects.get()
        assert (left.id, left.tries, left.pdus) == (first, 1, receipt_for_again(culprit))
        for tries in range(2, TRIES + 1):
            LineBatch.objects.update(next_try_at=past())
            receipts.record_line_events(sweep.pending_line_batches(), on_text=list)
            assert LineBatch.objects.get().tries == tries
    dead = LineBatch.objects.get()
    assert dead.next_try_at is None and "timeout" in dead.error
    assert sweep.pending_line_batches() == []


def receipt_for_again(message):
    """The PDU that stayed, as it stayed: its dates are of the moment when it was written."""
    [left] = LineBatch.objects.values_list("pdus", flat=True)
    assert message.id.hex[:24].encode().hex() in left and "," not in left
    return left


def test_a_parked_receipt_that_always_times_out_is_looked_at_later_and_the_others_now(cast, line, impatient):
    some = [accepted(cast) for _ in range(4)]
    line.hear(*(receipt_for(message) for message in some))
    for message in some:  # as an answer leaves it, whose look for parked receipts was cut off
        known = f"{message.id.hex[:24]}-1"
        Part.objects.filter(id=derive(message.id, 1)).update(
            status=Status.SUBMITTED, provider_id=known, provider_key=known, submitted_at=past()
        )
    Receipt.objects.update(next_try_at=past())
    with slow(some[0]):
        assert sweep.rematch_parked() == 3
        assert [state_of(message) for message in some[1:]] == [Status.DELIVERED] * 3
        late = Receipt.objects.get(state=Receipt.State.PARKED)
        assert late.tries == 2 and late.next_try_at > past()
    Receipt.objects.filter(id=late.id).update(next_try_at=past())
    assert sweep.rematch_parked() == 1
    assert [len(told(message)) for message in some] == [1] * 4


def in_doubt(cast, line, recipient, *heard):
    """A part without an answer whose time is over, after what the carrier said."""
    message = accepted(cast, recipient=recipient)
    line.claim([derive(message.id, 1)])
    if heard:
        line.hear(*heard)
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.filter(id=derive(message.id, 1)).update(uncertain_until=past())
    return message


def test_a_carrier_whose_receipts_cannot_be_looked_at_keeps_nobody_elses_parts_in_doubt(
    cast, line, impatient, monkeypatch
):
    monkeypatch.setattr(sweep, "PASS", 1)  # the oldest alone: the other one's turn comes all the same
    other = customer()
    stuck = in_doubt(cast, line, NUMBER, receipt("nobody-knows-it"))
    free = in_doubt(other, bind(other), CROWDED)
    with slow(stuck), pytest.raises(ExceptionGroup, match=cast.connector.name):
        sweep.resolve_uncertain()
    assert (state_of(stuck), state_of(free)) == (Status.UNCERTAIN, Status.QUEUED)
    assert part_of(free).possible_duplicate
    assert sweep.resolve_uncertain() == 0
    assert (state_of(stuck), part_of(stuck).possible_duplicate) == (Status.DELIVERED, False)


def test_a_tick_looks_at_parked_receipts_for_so_long_and_the_next_one_goes_on(line, monkeypatch):
    line.hear(*(receipt(f"nobody-{number}") for number in range(5)))
    Receipt.objects.update(next_try_at=past())
    monkeypatch.setattr(parked, "BUDGET", 0.0)
    looked = []
    for _ in range(3):
        parked.rematch_due(limit=2)
        looked.append(Receipt.objects.filter(tries=2).count())
    assert looked == [2, 4, 5]


def crowd(cast, number, many):
    """So many delivered messages to a number, of the last minutes."""
    pattern = accepted(cast, recipient=number, status=Status.DELIVERED)
    messages = [Message.objects.get(id=pattern.id) for _ in range(many - 1)]
    for message in messages:
        message.id = new_id()
    Message.objects.bulk_create(messages)
    Part.objects.bulk_create(
        Part(id=derive(m.id, 1), message_id=m.id, seq=1, lane=m.lane, status=Status.DELIVERED,
             connector_id=cast.connector.pk)
        for m in messages
    )  # fmt: skip


def doubted(cast, line, number):
    """A part to the number that was written and not answered."""
    message = accepted(cast, recipient=number)
    line.claim([derive(message.id, 1)])
    line.answer(message, SendKind.UNCERTAIN)
    return message


def test_a_number_with_very_many_messages_meets_no_receipt_by_address(cast, line):
    crowd(cast, CROWDED, matching.CROWD)
    among_many, alone = doubted(cast, line, CROWDED), doubted(cast, line, NUMBER)
    line.hear(receipt("nobody-knows-it", recipient=CROWDED), receipt("another", recipient=NUMBER))
    assert state_of(among_many) == Status.UNCERTAIN  # another part that fits may be among those not looked at
    assert state_of(alone) == Status.DELIVERED


def test_a_number_with_just_as_many_as_are_looked_at_meets_its_receipt_by_address(cast, line):
    crowd(cast, CROWDED, matching.CROWD - 1)
    message = doubted(cast, line, CROWDED)
    line.hear(receipt("nobody-knows-it", recipient=CROWDED))
    assert state_of(message) == Status.DELIVERED
