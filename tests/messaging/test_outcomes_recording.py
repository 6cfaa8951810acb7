"""Results of sending: success, retries with a date, next hops, ends with refunds, doubt, and late facts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from common.errors import SendKind
from common.ids import derive
from common.jobs import recorder
from connectors.models import Connector
from messaging import claims, sweep
from messaging.models import Attempt, MessageEvent, OutboxBatch, Part, Receipt, Status, TrafficCount
from messaging.outcomes import recording
from tests.messaging.underway import accepted, bind, now, part_of, past, receipt_for, sent, shown, state_of, told
from tests.support.cast import customer, forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


def taken(cast, line, **fields):
    message = accepted(cast, lane=line.lane, **fields)
    line.claim([derive(message.id, seq) for seq in range(1, message.parts + 1)])
    return message


def test_an_answer_makes_the_part_submitted_with_the_providers_id(cast):
    line = bind(cast)
    message = taken(cast, line)
    at = now()
    line.answer(message, provider_id="Ab-1", at=at)
    part = part_of(message)
    assert (part.status, part.provider_id, part.provider_key, part.submitted_at) == (
        Status.SUBMITTED,
        "Ab-1",
        "Ab-1",
        at,
    )
    assert shown(message).status == Status.QUEUED  # the message row is written once, at its end
    assert not Attempt.objects.exists()
    assert cast.balance == 99


def test_a_provider_id_is_bounded_to_its_column(cast):
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, provider_id="x" * 300)
    assert part_of(message).provider_id == "x" * 65


@pytest.mark.parametrize("kind", [SendKind.THROTTLED, SendKind.SESSION])
def test_a_connectors_fault_puts_the_part_back_untouched(cast, kind):
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, kind, command_status=0x58)
    part = part_of(message)
    assert (part.status, part.attempts, part.fence, part.send_at) == (Status.QUEUED, 0, None, None)
    assert not Attempt.objects.exists()
    assert OutboxBatch.objects.get().parts == part.id.hex
    assert line.claim()


def test_temporary_failures_wait_5_and_30_seconds_and_then_fail_with_a_refund(cast):
    line = bind(cast)
    message = taken(cast, line)
    for number, seconds in ((1, 5), (2, 30)):
        line.answer(message, SendKind.TEMPORARY, command_status=0x08)
        part = part_of(message)
        assert (part.status, part.attempts) == (Status.SCHEDULED, number)
        assert abs(part.send_at - now() - timedelta(seconds=seconds)) < timedelta(seconds=2)
        Part.objects.update(send_at=past())
        assert sweep.dispatch_due() == 1
        assert line.claim()
    line.answer(message, SendKind.TEMPORARY, command_status=0x08)
    part, whole = part_of(message), shown(message)
    assert (part.status, part.attempts, part.error_code) == (Status.FAILED, 3, "0x08")
    assert (whole.status, whole.error_code) == (Status.FAILED, "0x08")
    assert "System error" in whole.error
    assert [tried.number for tried in Attempt.objects.order_by("id")] == [1, 2, 3]
    assert cast.balance == 100
    assert '"status":"UNDELIV","error_code":"0x08"' in told(message)[0].body


def test_after_the_last_try_here_the_next_connector_gets_the_part_at_once(cast):
    other = make_connector()
    line = bind(cast)
    message = taken(cast, line, hops=(cast.connector.pk, other.pk))
    Part.objects.update(attempts=2)
    line.answer(message, SendKind.TEMPORARY, command_status=0x08)
    part = part_of(message)
    assert (part.status, part.connector_id, part.hop, part.attempts) == (Status.QUEUED, other.pk, 1, 0)
    assert OutboxBatch.objects.get().connector_id == other.pk
    tried = Attempt.objects.get()
    assert (tried.connector_id, tried.outcome, tried.command_status) == (cast.connector.pk, "temporary", 8)
    assert cast.balance == 99
    assert len(bind(cast, connector_id=other.pk).claim()) == 1


def test_a_route_error_goes_on_at_once_past_connectors_that_are_off(cast):
    off, other = make_connector(active=False), make_connector()
    line = bind(cast)
    message = taken(cast, line, hops=(cast.connector.pk, off.pk, other.pk))
    line.answer(message, SendKind.ROUTE, command_status=0x0A)
    part = part_of(message)
    assert (part.status, part.connector_id, part.hop) == (Status.QUEUED, other.pk, 2)


def test_a_route_error_without_another_route_rejects_and_refunds(cast):
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, SendKind.ROUTE, command_status=0x0A)
    assert (state_of(message), shown(message).status) == (Status.REJECTED, Status.REJECTED)
    assert cast.balance == 100
    assert '"status":"REJECTD"' in told(message)[0].body


def test_a_permanent_error_rejects_refunds_counts_and_tells_once(cast):
    line = bind(cast)
    message = taken(cast, line, hops=(cast.connector.pk, make_connector().pk))
    failure = line.result(derive(message.id, 1), SendKind.PERMANENT, command_status=0x0B)
    line.record(failure)
    line.record(failure)
    assert state_of(message) == Status.REJECTED
    assert cast.balance == 100
    assert len(told(message)) == 1
    count = TrafficCount.objects.get()
    assert (count.measure, count.messages, count.parts, count.amount) == ("REJECTED", 1, 1, Decimal(1))
    assert Attempt.objects.count() == 1


def test_busy_counts_only_when_the_bind_says_so(cast):
    line = bind(cast)
    first, second = taken(cast, line), taken(cast, line)
    line.answer(first, SendKind.BUSY, counted=False)
    line.answer(second, SendKind.BUSY, counted=True)
    assert [(part_of(m).status, part_of(m).attempts) for m in (first, second)] == [
        (Status.SCHEDULED, 0),
        (Status.SCHEDULED, 1),
    ]
    assert [tried.part_id for tried in Attempt.objects.all()] == [derive(second.id, 1)]


def test_a_stale_fence_writes_nothing_but_an_event(cast):
    old = bind(cast)
    message = taken(cast, old)
    Part.objects.update(fence=old.fence + 1)
    old.answer(message, provider_id="late")
    old.answer(message, SendKind.PERMANENT)
    part = part_of(message)
    assert (part.status, part.provider_id) == (Status.SUBMITTING, "")
    events = list(MessageEvent.objects.order_by("id"))
    assert [event.kind for event in events] == ["late_result", "late_result"]
    assert events[0].data["provider_id"] == "late"
    assert cast.balance == 99


@pytest.mark.parametrize("kind", [SendKind.SESSION, SendKind.TEMPORARY, SendKind.UNCERTAIN, SendKind.PERMANENT])
def test_a_failure_recorded_once_more_leaves_the_next_claim_alone(cast, kind):
    line = bind(cast)
    message = accepted(cast)
    key = derive(message.id, 1)
    [first] = line.claim([key])
    failed = line.result(key, kind, claimed_at=first.claimed_at)
    line.record(line.result(key, SendKind.SESSION, claimed_at=first.claimed_at))
    [second] = line.claim([key])  # the same bind under the same lease, on its next session
    assert second.claimed_at != first.claimed_at
    line.record(failed)  # the answer to the first COMMIT was lost
    part = part_of(message)
    assert (part.status, part.claimed_at, part.attempts) == (Status.SUBMITTING, second.claimed_at, 0)
    assert line.claim([key]) == []
    line.record(line.result(key, provider_id="7", claimed_at=second.claimed_at))
    assert state_of(message) == Status.SUBMITTED
    assert cast.balance == 99


def test_results_stay_recorded_when_the_look_for_parked_receipts_fails(cast, monkeypatch):
    line = bind(cast)
    message = taken(cast, line)
    look, times = recording.parked_with, []

    def away_after_the_commit(*args, **options):
        times.append(1)
        if len(times) > 1:
            raise OperationalError("canceling statement due to lock timeout")
        return look(*args, **options)

    monkeypatch.setattr(recording, "parked_with", away_after_the_commit)
    line.answer(message)
    assert len(times) == 2
    assert state_of(message) == Status.SUBMITTED


def test_the_same_answer_recorded_twice_changes_nothing(cast):
    line = bind(cast)
    message = taken(cast, line)
    answer = line.result(derive(message.id, 1), provider_id="7")
    line.record(answer)
    line.record(answer, answer)
    assert state_of(message) == Status.SUBMITTED
    assert not MessageEvent.objects.exists()


@pytest.mark.parametrize(("lane", "seconds"), [("otp", 2), ("transactional", 10)])
def test_an_unanswered_part_is_sent_again_after_its_grace_and_flagged(cast, lane, seconds):
    line = bind(cast, lane=lane)
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    assert abs(part_of(message).uncertain_until - now() - timedelta(seconds=seconds)) < timedelta(seconds=2)
    assert sweep.resolve_uncertain() == 0
    Part.objects.update(uncertain_until=past())
    assert sweep.resolve_uncertain() == 1
    part = part_of(message)
    assert (part.status, part.possible_duplicate, part.attempts) == (Status.QUEUED, True, 1)
    assert shown(message).possible_duplicate
    assert OutboxBatch.objects.get().parts == part.id.hex
    assert Attempt.objects.get().outcome == "uncertain"
    assert line.claim()[0].possible_duplicate
    assert cast.balance == 99
    assert sweep.resolve_uncertain() == 0


def test_marketing_is_held_and_ends_unknown_without_a_refund(cast):
    line = bind(cast, lane="bulk")
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    assert part_of(message).uncertain_until == message.expires_at
    Part.objects.update(uncertain_until=past())
    assert sweep.resolve_uncertain() == 1
    assert (state_of(message), shown(message).status) == (Status.UNKNOWN, Status.UNKNOWN)
    assert not shown(message).possible_duplicate
    assert cast.balance == 99
    assert '"status":"UNDELIV","error_code":"unk"' in told(message)[0].body


def test_a_connector_may_hold_what_others_send_again(cast):
    Connector.objects.filter(pk=cast.connector.pk).update(uncertain_policy={"transactional": "hold"})
    forget_snapshots()
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    assert state_of(message) == Status.UNKNOWN


def test_a_part_that_takes_the_link_down_each_time_is_given_up(cast):
    line = bind(cast)
    message = taken(cast, line)
    Part.objects.update(attempts=10)
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    assert state_of(message) == Status.UNKNOWN


def test_a_late_answer_settles_an_uncertain_part(cast):
    line = bind(cast)
    message = taken(cast, line)
    claims.abandon(connector_id=line.connector_id, bind_no=line.bind_no, fence_below=line.fence + 1)
    assert state_of(message) == Status.UNCERTAIN
    line.answer(message, provider_id="7")
    part = part_of(message)
    assert (part.status, part.provider_key, part.uncertain_until) == (Status.SUBMITTED, "7", None)


def test_a_late_refusal_settles_an_uncertain_part_too(cast):
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    line.answer(message, SendKind.PERMANENT, command_status=0x0B)
    assert state_of(message) == Status.REJECTED
    assert cast.balance == 100


def test_a_late_answer_calls_off_the_resend_that_waits_in_line(cast):
    line = bind(cast)
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    line.answer(message, provider_id="first")
    part = part_of(message)
    assert (part.status, part.provider_id, part.possible_duplicate) == (Status.SUBMITTED, "first", True)
    assert line.claim() == []


def test_a_late_answer_to_a_part_that_is_being_sent_again_is_an_event(cast):
    old = bind(cast)
    message = taken(cast, old)
    old.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    line = bind(cast, bind_no=2)
    line.claim()
    old.answer(message, provider_id="first")
    assert state_of(message) == Status.SUBMITTING
    assert MessageEvent.objects.get().data["provider_id"] == "first"
    line.answer(message, provider_id="second")
    assert part_of(message).provider_id == "second"


def test_a_late_answer_to_an_unknown_part_names_it_for_a_late_receipt(cast):
    line = bind(cast, lane="bulk")
    message = taken(cast, line)
    line.answer(message, SendKind.UNCERTAIN)
    Part.objects.update(uncertain_until=past())
    sweep.resolve_uncertain()
    line.answer(message)
    assert (state_of(message), part_of(message).provider_key) == (Status.UNKNOWN, f"{message.id.hex[:24]}-1")
    line.hear(receipt_for(message))
    assert state_of(message) == Status.DELIVERED


def test_a_receipt_that_came_before_the_answer_ends_the_part_with_it(cast):
    line = bind(cast)
    message = taken(cast, line)
    line.hear(receipt_for(message))
    assert Receipt.objects.get().state == Receipt.State.PARKED
    line.answer(message)
    assert (state_of(message), shown(message).status) == (Status.DELIVERED, Status.DELIVERED)
    found = Receipt.objects.get()
    assert (found.state, found.part_id, found.next_try_at) == (Receipt.State.MATCHED, derive(message.id, 1), None)
    assert len(told(message)) == 1


def test_a_failed_part_of_three_refunds_itself_alone_and_the_message_ends_with_the_last(cast):
    line = bind(cast)
    message = taken(cast, line, parts=3)
    line.answer(message, SendKind.PERMANENT, seq=2, command_status=0x0B)
    assert cast.balance == 98
    assert shown(message).status == Status.QUEUED
    line.answer(message, seq=1)
    line.answer(message, seq=3)
    line.hear(receipt_for(message, seq=1), receipt_for(message, seq=3))
    whole = shown(message)
    assert (whole.status, whole.error_code) == (Status.REJECTED, "0x0B")
    assert cast.balance == 98
    assert len(told(message)) == 1


def test_one_broken_result_does_not_hold_back_the_others_and_is_never_sent_again(cast):
    line = bind(cast)
    good, bad = taken(cast, line), taken(cast, line)
    type(bad).objects.filter(id=bad.id).update(charge=derive(bad.id, 77))
    with recorder():
        line.record(
            line.result(derive(good.id, 1), SendKind.PERMANENT), line.result(derive(bad.id, 1), SendKind.PERMANENT)
        )
    assert [state_of(good), state_of(bad)] == [Status.REJECTED, Status.UNCERTAIN]
    assert MessageEvent.objects.get().kind == "result_not_recorded"
    assert cast.balance == 99
    Part.objects.filter(message_id=bad.id).update(uncertain_until=past())
    sweep.resolve_uncertain()
    assert state_of(bad) == Status.UNKNOWN


def test_an_account_that_pays_on_delivery_is_refunded_when_the_network_fails():
    cast = customer(charge_on="delivery")
    line = bind(cast)
    from smpp.constants import MessageState

    lost, got = sent(cast, line), sent(cast, line)
    line.hear(receipt_for(lost, MessageState.UNDELIVERABLE, err="011"), receipt_for(got))
    assert cast.balance == 99


def test_an_account_that_pays_on_submit_is_not_refunded_when_the_network_fails(cast):
    line = bind(cast)
    from smpp.constants import MessageState

    message = sent(cast, line)
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE, err="011"))
    assert shown(message).status == Status.UNDELIVERED
    assert cast.balance == 99
