"""Receipts in every order and style: one final state, one callback, nothing lost, nothing counted twice."""

import json
from datetime import timedelta

import pytest

from common.errors import SendKind
from common.ids import IdFactory, derive
from common.jobs import recorder
from connectors.models import Connector
from messaging import receipts, sweep
from messaging.models import LineBatch, MessageEvent, Part, Receipt, ReceiptSeen, Status
from messaging.outcomes import recording
from messaging.receipts import Side, parked, provider_key
from messaging.receipts.line import RECORD
from smpp.codec import encode
from smpp.constants import MessageState
from smpp.pdu import DeliverSm
from tests.messaging.underway import (
    accepted,
    bind,
    now,
    part_of,
    past,
    receipt,
    receipt_for,
    sent,
    shown,
    state_of,
    stored_receipts,
    told,
    waiting_lines,
)
from tests.support.cast import customer, forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


@pytest.fixture
def line(cast):
    return bind(cast)


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


def test_a_receipt_before_its_answer_waits_and_is_found_by_the_sweep_as_well(cast, line):
    message = accepted(cast)
    line.claim()
    line.hear(receipt_for(message))
    [waiting] = stored_receipts()
    assert (waiting.state, waiting.part_id) == (Receipt.State.PARKED, None)
    assert waiting.next_try_at - now() < timedelta(seconds=1)
    # the answer is committed by a process that could not see the receipt yet
    Part.objects.update(
        status=Status.SUBMITTED, provider_id="x", provider_key=f"{message.id.hex[:24]}-1", submitted_at=now()
    )
    assert sweep.rematch_parked() == 0  # not due
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked() == 1
    assert state_of(message) == Status.DELIVERED
    assert stored_receipts()[0].state == Receipt.State.MATCHED
    assert len(told(message)) == 1


def test_an_answer_that_was_committed_while_we_looked_is_found_at_once(cast, line, monkeypatch):
    message = accepted(cast)
    line.claim()
    original = parked.rematch

    def answered_meanwhile(ids, **options):
        Part.objects.update(
            status=Status.SUBMITTED, provider_key=f"{message.id.hex[:24]}-1", submitted_at=now(), provider_id="x"
        )
        return original(ids, **options)

    monkeypatch.setattr(parked, "rematch", answered_meanwhile)
    line.hear(receipt_for(message))
    assert state_of(message) == Status.DELIVERED
    assert stored_receipts()[0].state == Receipt.State.MATCHED


def test_a_receipt_parked_while_its_answer_was_committed_is_found_at_once(cast, line, monkeypatch):
    message = accepted(cast)
    line.claim()
    looks = []
    look = recording.parked_with

    def too_early_the_first_time(*arguments, **options):
        looks.append(arguments)
        return look(*arguments, **options) if len(looks) > 1 else []

    line.hear(receipt_for(message))
    monkeypatch.setattr(recording, "parked_with", too_early_the_first_time)
    line.answer(message)
    assert len(looks) == 2
    assert state_of(message) == Status.DELIVERED
    assert stored_receipts()[0].state == Receipt.State.MATCHED


def test_looks_for_a_part_grow_rarer_and_end_after_72_hours(line):
    line.hear(receipt("nobody"))
    waits = []
    for _ in range(5):
        Receipt.objects.update(next_try_at=past())
        assert sweep.rematch_parked() == 0
        waits.append(round((Receipt.objects.get().next_try_at - now()).total_seconds()))
    assert waits == [5, 30, 300, 3600, 3600]
    Receipt.objects.update(next_try_at=past(), received_at=now() - timedelta(hours=73))
    sweep.rematch_parked()
    found = Receipt.objects.get()
    assert (found.state, found.next_try_at) == (Receipt.State.ORPHAN, None)


@pytest.mark.parametrize(
    ("rule", "answer", "reported"),
    [
        ("hex_to_dec", "1A2B3C", str(0x1A2B3C)),
        ("hex_to_dec", "0001a2b3c", "0" + str(0x1A2B3C)),
        ("dec_to_hex", str(0x1A2B3C), "1A2B3C"),
        ("dec_to_hex", "0" + str(0x1A2B3C), "001a2b3c"),
        ("casefold", "aBc-9", "ABC-9"),
        ("strip_zeros", "000123", "123"),
        ("hex_to_dec", "6f1c-UUID", "6f1c-uuid"),
        ("as_is", "000aB", "000aB"),
    ],
)
def test_ids_meet_by_the_rule_of_the_connector(rule, answer, reported):
    cast = customer()
    Connector.objects.filter(pk=cast.connector.pk).update(id_rule=rule)
    forget_snapshots()
    line = bind(cast)
    message = accepted(cast)
    line.claim()
    line.answer(message, provider_id=answer)
    line.hear(receipt(reported))
    assert state_of(message) == Status.DELIVERED


def test_ids_do_not_meet_without_the_rule(cast, line):
    message = accepted(cast)
    line.claim()
    line.answer(message, provider_id="1A")
    line.hear(receipt("26"))
    assert state_of(message) == Status.SUBMITTED


def test_answer_and_receipt_keys_agree_for_any_number():
    for number in (1, 10, 255, 2**31, 10**18):
        hex_id, dec_id = format(number, "X"), str(number)
        assert provider_key(hex_id, "hex_to_dec", side=Side.ANSWER) == provider_key(
            dec_id, "hex_to_dec", side=Side.RECEIPT
        )
        assert provider_key(dec_id, "dec_to_hex", side=Side.ANSWER) == provider_key(
            hex_id, "dec_to_hex", side=Side.RECEIPT
        )


def test_a_receipt_may_come_over_any_connector_of_the_carrier_account():
    one, two, stranger = (make_connector(carrier_account=account) for account in ("acme", "acme", "other"))
    cast = customer(connector=one)
    line = bind(cast)
    message = sent(cast, line)
    bind(cast, connector_id=stranger.pk).hear(receipt_for(message))
    assert state_of(message) == Status.SUBMITTED
    bind(cast, connector_id=two.pk).hear(receipt_for(message))
    assert state_of(message) == Status.DELIVERED


def test_an_id_that_a_provider_used_again_means_the_part_to_that_number(cast, line):
    messages = [accepted(cast, recipient=number) for number in ("971500000001", "971500000002")]
    line.claim()
    for message in messages:
        line.answer(message, provider_id="again")
    line.hear(receipt("again", recipient="+971500000001"))
    assert [state_of(message) for message in messages] == [Status.DELIVERED, Status.SUBMITTED]


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


def test_a_receipt_without_an_answer_settles_the_only_uncertain_part_to_that_number(cast, line):
    message = accepted(cast)
    line.claim()
    line.answer(message, SendKind.UNCERTAIN)
    line.hear(receipt("never-told"))
    part = part_of(message)
    assert (part.status, part.matched_by, part.provider_id) == (Status.DELIVERED, "address", "never-told")
    assert part.submitted_at is not None
    assert stored_receipts()[0].matched_by == "address"
    assert sweep.resolve_uncertain() == 0


@pytest.mark.parametrize("others", ["uncertain", "submitting"])
def test_two_parts_that_qualify_are_not_told_apart_by_address(cast, line, others):
    messages = [accepted(cast), accepted(cast)]
    line.claim()
    line.answer(messages[0], SendKind.UNCERTAIN)
    if others == "uncertain":
        line.answer(messages[1], SendKind.UNCERTAIN)
    line.hear(receipt("never-told"))
    assert state_of(messages[0]) == Status.UNCERTAIN
    assert stored_receipts()[0].state == Receipt.State.PARKED


def test_receipts_of_first_copies_are_not_given_to_the_last_part_in_doubt_when_the_others_were_sent_again(cast, line):
    """Of three parts in the window the third never reached the carrier; found by 200 disconnects under load."""
    message = accepted(cast, parts=3)
    line.claim()
    for seq in (1, 2, 3):
        line.answer(message, SendKind.UNCERTAIN, seq=seq)
    line.hear(receipt("copy-1"), receipt("copy-2"))
    for seq in (1, 2):
        Part.objects.filter(id=part_of(message, seq).id).update(uncertain_until=past())
    assert sweep.resolve_uncertain() == 2
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked() == 0
    line.claim()
    for seq in (1, 2):
        line.answer(message, seq=seq)
    line.hear(receipt_for(message, seq=1), receipt_for(message, seq=2))
    Receipt.objects.filter(state=Receipt.State.PARKED).update(next_try_at=past())
    assert sweep.rematch_parked() == 0
    assert [state_of(message, seq) for seq in (1, 2, 3)] == [Status.DELIVERED, Status.DELIVERED, Status.UNCERTAIN]
    Part.objects.filter(status=Status.UNCERTAIN).update(uncertain_until=past())
    assert sweep.resolve_uncertain() == 1
    assert state_of(message, 3) == Status.QUEUED


@pytest.mark.parametrize("addresses", [{"recipient": "971500000009"}, {"sender": "OTHER"}])
def test_an_address_that_differs_does_not_match(cast, line, addresses):
    message = accepted(cast)
    line.claim()
    line.answer(message, SendKind.UNCERTAIN)
    line.hear(receipt("never-told", **addresses))
    assert state_of(message) == Status.UNCERTAIN


def test_a_receipt_from_before_the_write_does_not_match_by_address(cast, line):
    message = accepted(cast)
    line.hear(receipt("older"))
    line.claim()
    line.answer(message, SendKind.UNCERTAIN)
    Receipt.objects.update(next_try_at=past())
    assert sweep.rematch_parked() == 0
    assert state_of(message) == Status.UNCERTAIN


def test_before_it_is_sent_again_a_part_is_settled_by_a_receipt_that_waits(cast, line):
    message = accepted(cast)
    line.claim()
    line.hear(receipt("early"))  # parked: the part was still being submitted
    assert stored_receipts()[0].state == Receipt.State.PARKED
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    assert sweep.resolve_uncertain() == 0
    assert (state_of(message), part_of(message).possible_duplicate) == (Status.DELIVERED, False)


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

    def plain(number):
        words = f"id:{number} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:"
        return encode(DeliverSm(source_addr="971501234567", destination_addr="GATEWAY", short_message=words.encode()))

    line.hear(plain("77"), plain("88"), texts=texts)
    assert state_of(message) == Status.DELIVERED
    assert len(stored_receipts()) == 1
    assert [b"id:88" in found.raw for found in texts] == [True]


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


def test_a_message_that_was_scheduled_weeks_ahead_hears_its_receipt():
    cast = customer()
    line = bind(cast)
    accepted_then = IdFactory(1).draw(int((now() - timedelta(days=29)).timestamp() * 1000))
    message = sent(cast, line, id=accepted_then, expires_at=None)
    assert sweep.close_unreceipted() == 0
    line.hear(receipt_for(message))
    assert shown(message).status == "DELIVERED"


def test_a_receipt_that_comes_early_is_not_taken_for_an_old_message_with_the_same_id():
    cast = customer()
    line = bind(cast)
    month_ago = now() - timedelta(days=29)
    old = sent(cast, line, id=IdFactory(1).draw(int(month_ago.timestamp() * 1000)))
    Part.objects.filter(message_id=old.id).update(provider_id="77", provider_key="77", submitted_at=month_ago)
    message = accepted(cast)
    line.claim()
    line.hear(receipt("77"))
    assert shown(old).status == "QUEUED"
    line.answer(message, provider_id="77")
    assert shown(message).status == "DELIVERED"


def test_a_part_that_became_due_after_the_look_for_its_receipt_waits_for_the_next_look(cast, line, monkeypatch):
    message = accepted(cast)
    line.claim()
    line.hear(receipt("early"))
    line.answer(message, SendKind.UNCERTAIN)
    look = sweep._look_for_receipts

    def look_and_be_late(moment):
        looked = look(moment)
        Part.objects.update(uncertain_until=past())
        return looked

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_look_for_receipts", look_and_be_late)
        assert sweep.resolve_uncertain() == 0
    assert state_of(message) == Status.UNCERTAIN
    assert sweep.resolve_uncertain() == 0
    assert (state_of(message), part_of(message).possible_duplicate) == (Status.DELIVERED, False)
