"""Receipts in every order and style: one final state, one callback, nothing lost, nothing counted twice."""

import json
from datetime import timedelta

import pytest

from common.ids import derive
from messaging import receipts, sweep
from messaging.models import MessageEvent, Part, Receipt, Status
from smpp.constants import MessageState
from tests.messaging.underway import (
    accepted,
    bind,
    now,
    part_of,
    receipt,
    receipt_for,
    sent,
    shown,
    state_of,
    stored_receipts,
    told,
    waiting_lines,
)
from tests.support.cast import customer, forget_snapshots

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [
        (MessageState.DELIVERED, Status.DELIVERED, "DELIVRD"),
        (MessageState.UNDELIVERABLE, Status.UNDELIVERED, "UNDELIV"),
        (MessageState.EXPIRED, Status.EXPIRED, "EXPIRED"),
        (MessageState.REJECTED, Status.REJECTED, "REJECTD"),
        (MessageState.DELETED, Status.DELETED, "UNDELIV"),
        (MessageState.SKIPPED, Status.UNDELIVERED, "UNDELIV"),
    ],
)
def test_the_first_final_receipt_ends_part_and_message_and_tells_the_customer(cast, line, state, status, word):
    message = sent(cast, line)
    line.hear(receipt_for(message, state, err="01A"))
    part, whole = part_of(message), shown(message)
    assert (part.status, part.error_code, part.matched_by) == (status, "01A", "id")
    assert (whole.status, whole.error_code, whole.done_at) == (status, "01A", part.done_at)
    [callback] = told(message)
    assert json.loads(callback.body)["status"] == word
    assert waiting_lines() == 0
    assert cast.balance == 99


@pytest.mark.parametrize("state", [MessageState.ENROUTE, MessageState.ACCEPTED, MessageState.UNKNOWN])
def test_what_is_not_final_is_kept_but_changes_nothing(cast, line, state):
    message = sent(cast, line)
    line.hear(receipt_for(message, state))
    assert state_of(message) == Status.SUBMITTED
    assert [found.state for found in stored_receipts()] == [Receipt.State.MATCHED]
    assert told(message) == []
    line.hear(receipt_for(message))
    assert state_of(message) == Status.DELIVERED


def test_under_way_is_told_once_to_accounts_that_ask():
    cast = customer(intermediate_dlr=True)
    line = bind(cast)
    message = sent(cast, line)
    line.hear(receipt_for(message, MessageState.ACCEPTED))
    line.hear(receipt_for(message, MessageState.ENROUTE))
    line.hear(receipt_for(message))
    line.hear(receipt_for(message, MessageState.ENROUTE, err="002"))
    assert sorted(json.loads(found.body)["status"] for found in told(message)) == ["DELIVRD", "ENROUTE"]


def test_a_repeated_receipt_changes_nothing_in_the_same_batch_or_later(cast, line):
    message = sent(cast, line)
    pdu = receipt_for(message)
    line.hear(pdu, pdu)
    line.hear(pdu)
    assert [found.state for found in stored_receipts()] == ["MATCHED", "DUPLICATE", "DUPLICATE"]
    assert len(told(message)) == 1


def test_a_repeated_receipt_for_nobody_is_parked_once(line):
    line.hear(receipt("nobody"))
    line.hear(receipt("nobody"), receipt("nobody"))
    assert [found.state for found in stored_receipts()] == ["PARKED", "DUPLICATE", "DUPLICATE"]


def test_a_conflicting_receipt_is_an_event_and_the_first_final_stays(cast, line):
    message = sent(cast, line)
    line.hear(receipt_for(message), receipt_for(message, MessageState.UNDELIVERABLE, err="011"))
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE, err="011"))
    assert (state_of(message), shown(message).status) == (Status.DELIVERED, Status.DELIVERED)
    event = MessageEvent.objects.get()
    assert (event.kind, event.data["said"], event.data["kept"]) == ("dlr_conflict", "UNDELIVERED", "DELIVERED")
    assert [found.state for found in stored_receipts()] == ["MATCHED", "MATCHED", "DUPLICATE"]
    assert len(told(message)) == 1
    assert cast.balance == 99


def test_of_conflicting_receipts_the_one_that_came_first_wins_in_whatever_order_their_batches_are_named(cast, line):
    message = sent(cast, line)
    first = receipts.store(line.connector_id, line.bind_no, [receipt_for(message)])
    between = [receipts.store(line.connector_id, line.bind_no, [receipt(f"nobody-{n}")]) for n in range(4)]
    last = receipts.store(line.connector_id, line.bind_no, [receipt_for(message, MessageState.UNDELIVERABLE)])
    receipts.record_line_events([last, *between, first], on_text=list)
    assert state_of(message) == Status.DELIVERED


def test_a_message_of_three_ends_with_its_last_part_and_the_worst_wins(cast, line):
    message = sent(cast, line, parts=3)
    line.hear(receipt_for(message, seq=1))
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE, seq=2, err="011"))
    assert shown(message).done_at is None
    assert told(message) == []
    line.hear(receipt_for(message, seq=3))
    whole = shown(message)
    assert (whole.status, whole.error_code) == (Status.UNDELIVERED, "011")
    assert len(told(message)) == 1


def test_a_message_that_went_out_whole_ends_with_one_receipt(cast, line):
    message = accepted(cast, parts=2)
    line.claim()
    line.record(*(line.result(derive(message.id, seq), provider_id="whole") for seq in (1, 2)))
    line.hear(receipt("whole"))
    assert [state_of(message, seq) for seq in (1, 2)] == [Status.DELIVERED, Status.DELIVERED]
    assert shown(message).status == Status.DELIVERED


def test_an_early_receipt_ends_all_parts_of_a_message_that_went_out_whole(cast, line):
    message = accepted(cast, parts=2)
    line.claim()
    line.hear(receipt("whole"))
    line.record(*(line.result(derive(message.id, seq), provider_id="whole") for seq in (1, 2)))
    assert shown(message).status == Status.DELIVERED


def test_after_unknown_a_late_receipt_settles_once_and_is_a_second_event(cast, line):
    message = sent(cast, line)
    Part.objects.update(expires_at=now() - timedelta(hours=73))
    assert sweep.close_unreceipted() == 1
    assert shown(message).status == Status.UNKNOWN
    line.hear(receipt_for(message))
    line.hear(receipt_for(message, MessageState.EXPIRED))
    assert (state_of(message), shown(message).status) == (Status.DELIVERED, Status.DELIVERED)
    events = told(message)
    assert [json.loads(found.body)["status"] for found in events] == ["UNDELIV", "DELIVRD"]
    assert [found.id for found in events] == [derive(message.id, 1001), derive(message.id, 1002)]


def test_who_pays_on_delivery_is_refunded_at_unknown_and_never_charged_again():
    cast = customer(charge_on="delivery")
    line = bind(cast)
    message = sent(cast, line)
    Part.objects.update(expires_at=now() - timedelta(hours=73))
    sweep.close_unreceipted()
    assert cast.balance == 100
    line.hear(receipt_for(message))
    assert shown(message).status == Status.DELIVERED
    assert cast.balance == 100


@pytest.mark.parametrize(("then", "later", "balance"), [("delivery", "submit", 100), ("submit", "delivery", 99)])
def test_refunds_go_by_the_terms_under_which_the_message_was_charged(then, later, balance):
    cast = customer(charge_on=then)
    line = bind(cast)
    message = sent(cast, line)
    cast.account.charge_on = later
    cast.account.save()
    forget_snapshots()
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE))
    assert shown(message).status == Status.UNDELIVERED
    assert cast.balance == balance
