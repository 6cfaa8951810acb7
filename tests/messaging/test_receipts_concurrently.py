"""Answers, receipts, sweeps and cancels at the same time: nobody deadlocks for good, everything ends once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from common.errors import Rejected
from common.ids import derive
from common.jobs import recorder
from messaging import receipts, rows, sweep
from messaging.cancel import cancel
from messaging.models import Message, Part, Receipt, Status
from tests.messaging.underway import accepted, bind, now, receipt_for, told
from tests.support.cast import customer, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]


REPEATED = {"each": (), "first": (), "last": (), "any": (Receipt.State.DUPLICATE,)}


def run_together(*works):
    """Run each in a thread of its own; the first error of any is raised here."""
    errors, start = [], threading.Barrier(len(works))

    def guarded(work):
        try:
            start.wait()
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# Of the two parts those of which a receipt comes, by what the carrier reports on.
@pytest.mark.parametrize(("mode", "heard"), [("each", (2, 1)), ("first", (1,)), ("last", (2,)), ("any", (2, 1))])
def test_answers_and_receipts_at_once_never_pass_each_other(mode, heard):
    cast = customer(credits="1000", connector=make_connector(dlr_parts=mode))
    line = bind(cast)
    messages = [accepted(cast, parts=2) for _ in range(40)]
    line.claim(limit=200)
    answers = [line.result(derive(m.id, seq), provider_id=f"{m.id.hex[:24]}-{seq}") for m in messages for seq in (1, 2)]
    with recorder():
        batches = [
            receipts.store(line.connector_id, 1, [receipt_for(m, seq=seq) for m in messages[i::4] for seq in heard])
            for i in range(4)
        ]

        def answer():
            for start in range(0, len(answers), 7):
                line.record(*answers[start : start + 7])

        def hear(order):
            for batch in order:
                receipts.record_line_events([batch], on_text=list)

        run_together(answer, lambda: hear(batches), lambda: hear(batches[::-1]))
        Receipt.objects.filter(state=Receipt.State.PARKED).update(next_try_at=now() - timedelta(seconds=1))
        sweep.rematch_parked()
    assert set(Part.objects.values_list("status", flat=True)) == {Status.DELIVERED}
    assert set(Message.objects.values_list("status", flat=True)) == {Status.DELIVERED}
    assert {len(told(message)) for message in messages} == {1}
    # One that comes after its part was ended by the other's is a repeated one.
    assert set(Receipt.objects.values_list("state", flat=True)) <= {Receipt.State.MATCHED, *REPEATED[mode]}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_a_claim_is_not_hindered_by_the_receipt_of_a_sibling():
    cast = customer(connector=make_connector(dlr_parts="first"))
    line = bind(cast)
    message = accepted(cast, parts=3)
    first, second, third = (derive(message.id, seq) for seq in (1, 2, 3))
    line.claim([first])
    line.answer(message)
    claimed = []
    with transaction.atomic():
        parts, _ = rows.lock_with_siblings([first])
        run_together(lambda: claimed.extend(line.claim()))
    assert list(parts) == [first]
    assert [part.part_id for part in claimed] == [second, third]


def test_a_cancel_and_a_claim_at_once_have_one_winner_a_message():
    cast = customer(credits="1000")
    line = bind(cast)
    messages = [accepted(cast, parts=2) for _ in range(30)]
    cancelled = []

    def call_back():
        for message in messages:
            try:
                cancel(account_id=cast.account.pk, message_id=message.id)
                cancelled.append(message.id)
            except Rejected:
                continue

    def take():
        for message in reversed(messages):
            line.claim([derive(message.id, seq) for seq in (1, 2)])

    with recorder():
        run_together(call_back, take)
    for message in messages:
        states = set(Part.objects.filter(message_id=message.id).values_list("status", flat=True))
        assert states == ({Status.CANCELLED} if message.id in cancelled else {Status.SUBMITTING})
    assert cast.balance == 1000 - 2 * (len(messages) - len(cancelled))
