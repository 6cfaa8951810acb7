"""What a carrier said is kept as it came, recorded once, and what is broken holds back nobody."""

from datetime import timedelta

import pytest

from common.jobs import recorder
from messaging import receipts, sweep
from messaging.models import LineBatch, ReceiptSeen, Status
from messaging.receipts.line import RECORD
from smpp.codec import encode
from smpp.pdu import DeliverSm
from tests.messaging.underway import (
    accepted,
    now,
    past,
    receipt,
    receipt_for,
    sent,
    state_of,
    stored_receipts,
    unmarked,
    waiting_lines,
)

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def test_a_text_goes_to_the_inbox_and_not_to_the_receipts(cast, line):
    texts = []
    pdu = encode(DeliverSm(source_addr="971501234567", destination_addr="1234", short_message=b"STOP"))
    line.hear(pdu, texts=texts)
    assert [(found.raw, found.connector_id, found.bind_no) for found in texts] == [(pdu, line.connector_id, 1)]
    assert stored_receipts() == []
    assert waiting_lines() == 0


def test_what_only_looks_like_a_receipt_is_one_when_it_is_about_a_part_of_ours(cast, line):
    message = accepted(cast)
    line.claim()
    line.answer(message, provider_id="77")
    texts = []

    line.hear(unmarked("77"), unmarked("88"), texts=texts)
    assert state_of(message) == Status.DELIVERED
    assert [found.state for found in stored_receipts()] == ["MATCHED", "PARKED"]
    assert texts == []  # its part may become known within a minute (test_receipts_unmarked)


def test_a_broken_pdu_is_left_alone_and_does_not_hold_back_the_others(cast, line):
    messages = [sent(cast, line) for _ in range(3)]
    pdus = [receipt_for(message) for message in messages]
    batch = line.hear(pdus[0], pdus[1], b"\x00\x00\x00\x10garbage-here", pdus[2])
    assert [state_of(message) for message in messages] == [Status.DELIVERED] * 3
    left = LineBatch.objects.get()
    assert (left.id, left.tries, left.pdus) == (batch, 1, b"\x00\x00\x00\x10garbage-here".hex())
    assert left.error
    for tries in range(2, 6):
        LineBatch.objects.update(next_try_at=past())
        assert sweep.pending_line_batches() == [batch]
        receipts.record_line_events([batch], on_text=list)
        assert LineBatch.objects.get().tries == tries
    dead = LineBatch.objects.get()
    assert (dead.next_try_at, bool(dead.error)) == (None, True)
    assert sweep.pending_line_batches() == []


def test_a_text_that_cannot_be_kept_writes_nothing_of_itself_and_all_of_the_rest(cast, line):
    message = sent(cast, line)
    text = encode(DeliverSm(source_addr="1", destination_addr="2", short_message=b"Hi"))

    def refuse(texts):
        raise ValueError("no room")

    batch = receipts.store(line.connector_id, line.bind_no, [receipt_for(message), text])
    receipts.record_line_events([batch], on_text=refuse)
    assert state_of(message) == Status.DELIVERED
    assert LineBatch.objects.get().pdus == text.hex()


def test_a_stored_line_asks_for_its_recording_and_a_lost_hint_is_found(line, django_capture_on_commit_callbacks):
    with recorder() as jobs, django_capture_on_commit_callbacks(execute=True):
        batch = receipts.store(line.connector_id, line.bind_no, [receipt("1")])
        receipts.ask([batch])
    assert [(job, arguments) for job, arguments in jobs] == [(RECORD, {"ids": [batch.hex]})]
    assert sweep.pending_line_batches() == []
    LineBatch.objects.update(received_at=now() - timedelta(seconds=6))
    assert sweep.pending_line_batches() == [batch]


def test_recording_a_batch_twice_does_its_work_once(cast, line):
    message = sent(cast, line)
    batch = line.hear(receipt_for(message))
    assert receipts.record_line_events([batch], on_text=list) == 0
    assert len(stored_receipts()) == 1


def test_digests_are_kept_for_72_hours(line):
    line.hear(receipt("nobody"))
    assert sweep.purge() == 0
    ReceiptSeen.objects.update(seen_at=now() - timedelta(hours=73))
    assert sweep.purge() == 1
