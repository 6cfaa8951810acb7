"""Receipts find their part: by the rule of the connector, by address, early and late."""

from datetime import timedelta

import pytest

from common.errors import SendKind
from common.ids import IdFactory
from connectors.models import Connector
from messaging import sweep
from messaging.models import Part, Receipt, Status
from messaging.outcomes import recording
from messaging.receipts import Side, parked, provider_key
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
)
from tests.support.cast import customer, forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


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

    def look_and_be_late(*due):
        looked = look(*due)
        Part.objects.update(uncertain_until=past())
        return looked

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_look_for_receipts", look_and_be_late)
        assert sweep.resolve_uncertain() == 0
    assert state_of(message) == Status.UNCERTAIN
    assert sweep.resolve_uncertain() == 0
    assert (state_of(message), part_of(message).possible_duplicate) == (Status.DELIVERED, False)
