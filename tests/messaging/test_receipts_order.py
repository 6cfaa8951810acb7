"""The first final receipt wins by its arrival at the line, whichever task is quicker."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection

from messaging import receipts
from messaging.models import MessageEvent, Receipt, Status
from messaging.receipts import line as recording
from messaging.receipts import parked
from smpp.codec import encode
from smpp.constants import MessageState
from smpp.pdu import DeliverSm
from tests.messaging.sharing import D, U, matched, paying_on_delivery, states
from tests.messaging.underway import accepted, bind, receipt_for, sent, state_of, told, waiting_lines
from tests.support.cast import customer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.both
TEXT = encode(DeliverSm(source_addr="971501234567", destination_addr="1234", short_message=b"hello"))


def in_thread(work):
    def guarded():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


def blocked():
    """Whether some statement waits for a lock of another transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@contextmanager
def slow_and_quick(first, second):
    """Two tasks at once: one that stands still with the first batch in hand until the end, one with the second."""
    holding, go_on = threading.Event(), threading.Event()

    def slowly(_):
        holding.set()
        go_on.wait(20)

    slow = in_thread(lambda: receipts.record_line_events([first], on_text=slowly))
    assert holding.wait(20)
    quick = in_thread(lambda: receipts.record_line_events([second], on_text=list))
    try:
        wait_until(lambda: blocked() or not quick.is_alive())
        yield
    finally:
        go_on.set()
        slow.join(20)
        quick.join(20)


def test_a_slow_task_with_the_earlier_receipt_is_not_passed_by_a_quick_one_with_a_later():
    cast = customer()
    line = bind(cast)
    message = sent(cast, line)
    first = receipts.store(line.connector_id, 1, [TEXT, receipt_for(message, MessageState.DELIVERED)])
    second = receipts.store(line.connector_id, 2, [receipt_for(message, MessageState.UNDELIVERABLE)])
    with slow_and_quick(first, second):
        assert state_of(message) == Status.SUBMITTED
    assert state_of(message) == Status.DELIVERED
    assert [receipt.status for receipt in Receipt.objects.order_by("id")] == ["DELIVERED", "UNDELIVERED"]
    assert len(told(message)) == 1
    assert waiting_lines() == 0


def test_a_part_keeps_its_own_earlier_receipt_that_is_in_slow_hands_although_its_sibling_speaks_for_it():
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = sent(cast, line, parts=3)
    first = receipts.store(line.connector_id, 1, [TEXT, receipt_for(message, U, seq=2)])
    second = receipts.store(line.connector_id, 2, [receipt_for(message, D, seq=1)])
    with slow_and_quick(first, second):
        assert states(message) == "---"
    assert (states(message), matched(message)) == ("DUD", ["id", "id", "sibling"])
    assert (cast.balance, len(told(message)), waiting_lines()) == (98, 1, 0)
    assert not MessageEvent.objects.exists()


def test_a_receipt_that_is_in_slow_hands_is_not_waited_for_by_one_that_speaks_for_another_message():
    cast = paying_on_delivery("first")
    line = bind(cast)
    slow_one, quick_one = sent(cast, line, parts=3), sent(cast, line, parts=3)
    first = receipts.store(line.connector_id, 1, [TEXT, receipt_for(slow_one, U, seq=2)])
    second = receipts.store(line.connector_id, 1, [receipt_for(quick_one)])
    holding, go_on = threading.Event(), threading.Event()

    def slowly(_):
        holding.set()
        go_on.wait(20)

    slow = in_thread(lambda: receipts.record_line_events([first], on_text=slowly))
    assert holding.wait(20)
    try:
        assert receipts.record_line_events([second], on_text=list) == 1
        assert states(quick_one) == "DDD"
    finally:
        go_on.set()
        slow.join(20)
    assert states(slow_one) == "-U-"


# Mode, the earlier receipt as (part, says), the later one, the parts afterwards.
@both
@pytest.mark.parametrize(
    ("mode", "earlier", "later", "expected"),
    [
        ("first", (2, U), (1, D), "DUD"),
        ("first", (1, U), (2, D), "UDU"),
        ("last", (1, U), (3, D), "UDD"),
        ("any", (3, U), (2, D), "UDU"),
        ("each", (3, U), (2, D), "-D-"),
    ],
)
def test_of_receipts_for_parts_that_share_them_the_one_that_came_first_counts(mode, earlier, later, expected):
    cast = paying_on_delivery(mode)
    line = bind(cast)
    message = sent(cast, line, parts=3)
    lost, named = (
        receipts.store(line.connector_id, 1, [receipt_for(message, says, seq=seq)]) for seq, says in (earlier, later)
    )
    receipts.record_line_events([named], on_text=list)  # the hint of the other one was lost
    assert states(message) == expected
    receipts.record_line_events([lost], on_text=list)
    assert states(message) == (expected if mode != "each" else "-DU")


def test_tasks_with_receipts_of_different_messages_do_not_wait_for_each_other():
    cast = customer()
    line = bind(cast)
    slow_one, quick_one = sent(cast, line), sent(cast, line)
    first = receipts.store(line.connector_id, 1, [TEXT, receipt_for(slow_one)])
    second = receipts.store(line.connector_id, 1, [receipt_for(quick_one)])
    holding, go_on = threading.Event(), threading.Event()

    def slowly(_):
        holding.set()
        go_on.wait(20)

    slow = in_thread(lambda: receipts.record_line_events([first], on_text=slowly))
    assert holding.wait(20)
    try:
        assert receipts.record_line_events([second], on_text=list) == 1
        assert state_of(quick_one) == Status.DELIVERED
    finally:
        go_on.set()
        slow.join(20)
    assert state_of(slow_one) == Status.DELIVERED


@both
def test_an_earlier_batch_whose_hint_was_lost_is_taken_along():
    cast = customer()
    line = bind(cast)
    message = sent(cast, line)
    receipts.store(line.connector_id, 1, [receipt_for(message, MessageState.UNDELIVERABLE)])
    later = receipts.store(line.connector_id, 1, [receipt_for(message, MessageState.DELIVERED)])
    assert receipts.record_line_events([later], on_text=list) == 2
    assert state_of(message) == Status.UNDELIVERED


@both
def test_a_receipt_that_was_parked_first_settles_before_a_later_one_that_found_its_part(monkeypatch):
    monkeypatch.setattr(parked, "rematch", lambda *_, **__: 0)  # the look after parking comes last
    cast = customer()
    line = bind(cast)
    message = accepted(cast)
    line.claim()
    with monkeypatch.context() as patch:
        patch.setattr("messaging.outcomes.recording.parked_with", lambda *_, **__: [])  # an answer that saw nothing
        line.hear(receipt_for(message, MessageState.DELIVERED))
        line.answer(message)
    assert Receipt.objects.get().state == Receipt.State.PARKED
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE))
    assert state_of(message) == Status.DELIVERED
    assert list(Receipt.objects.order_by("id").values_list("status", "state")) == [
        ("DELIVERED", "MATCHED"), ("UNDELIVERED", "MATCHED"),
    ]  # fmt: skip


@both
def test_a_look_at_a_later_parked_receipt_settles_by_the_earlier_one():
    cast = customer()
    line = bind(cast)
    message = accepted(cast)
    line.claim()
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE))
    line.hear(receipt_for(message, MessageState.DELIVERED))
    first, second = Receipt.objects.order_by("id")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("messaging.outcomes.recording.parked_with", lambda *_, **__: [])
        line.answer(message)
    assert parked.rematch([second.id]) >= 1
    assert state_of(message) == Status.UNDELIVERED
    assert first.status == "UNDELIVERED"


@both
def test_a_hint_from_behind_a_backlog_takes_the_backlog_first(monkeypatch):
    monkeypatch.setattr(recording, "COMPANY", 2)
    cast = customer()
    line = bind(cast)
    messages = [sent(cast, line) for _ in range(5)]
    *_, last = [receipts.store(line.connector_id, 1, [receipt_for(message)]) for message in messages]
    assert receipts.record_waiting([last], on_text=list) == 5
    assert waiting_lines() == 0
