"""Failover on time: no bind for too long, no receipt in time. Only what is missing goes again; nothing ends twice."""

import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.errors import SendKind
from common.ids import derive
from common.queues import Lane
from connectors.models import BindState
from messaging import cancel, failover, sweep
from messaging.models import Attempt, MessageEvent, OutboxBatch, Part, Receipt, Status
from smpp.constants import MessageState
from tests.messaging.underway import (
    Line,
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
    told,
)
from tests.support.cast import customer, forget_snapshots, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]

LIMIT = 30  # seconds


@pytest.fixture
def cast():
    return customer()


@pytest.fixture
def second():
    return make_connector()


def limit(connector, **fields):
    for name, value in fields.items():
        setattr(connector, name, value)
    connector.save()
    forget_snapshots()


def seen_bound(connector, *, ago, bind_no=1):
    moment = now() - timedelta(seconds=ago)
    BindState.objects.update_or_create(connector=connector, bind_no=bind_no, defaults={"bound_at": moment})


def over(cast, *connectors, **fields):
    return accepted(cast, hops=(cast.connector.pk, *(line.pk for line in connectors)), **fields)


class TestWithoutABind:
    @pytest.fixture(autouse=True)
    def _limits(self, cast):
        limit(cast.connector, failover_after=LIMIT)

    def test_what_waits_goes_to_the_next_connector_in_order_and_untouched(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        messages = [over(cast, second) for _ in range(5)]
        before = cast.balance
        assert failover.leave_down_lines() == 5
        assert failover.leave_down_lines() == 0
        assert [part.message_id for part in bind(cast, connector_id=second.pk).claim()] == [m.id for m in messages]
        part = part_of(messages[0])
        assert (part.connector_id, part.hop, part.attempts, part.possible_duplicate) == (second.pk, 1, 0, False)
        assert cast.balance == before
        assert MessageEvent.objects.filter(kind="rerouted", message_id=messages[0].id).count() == 1
        assert {batch.connector_id for batch in OutboxBatch.objects.all()} == {second.pk}
        assert not Attempt.objects.exists()

    @pytest.mark.parametrize("ago", [0, LIMIT - 5])
    def test_a_short_absence_moves_nothing(self, cast, second, ago):
        seen_bound(cast.connector, ago=ago)
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        assert part_of(message).connector_id == cast.connector.pk

    def test_one_bind_of_several_is_enough(self, cast, second):
        seen_bound(cast.connector, ago=1000)
        seen_bound(cast.connector, ago=1, bind_no=2)
        over(cast, second)
        assert failover.leave_down_lines() == 0

    def test_a_connector_that_never_bound_is_down_since_it_was_made(self, cast, second):
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        type(cast.connector).objects.update(created_at=now() - timedelta(seconds=LIMIT + 5))
        assert failover.leave_down_lines() == 1
        assert part_of(message).connector_id == second.pk

    def test_without_the_option_messages_wait(self, cast, second):
        limit(cast.connector, failover_after=0)
        seen_bound(cast.connector, ago=100_000)
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        assert part_of(message).connector_id == cast.connector.pk

    def test_the_next_one_that_is_down_or_switched_off_is_passed_over(self, cast, second):
        third, fourth = make_connector(), make_connector()
        limit(second, failover_after=LIMIT)
        limit(third, active=False)
        for line in (cast.connector, second):
            seen_bound(line, ago=LIMIT + 5)
        message = over(cast, second, third, fourth)
        assert failover.leave_down_lines() == 1
        assert (part_of(message).connector_id, part_of(message).hop) == (fourth.pk, 3)

    def test_what_has_no_other_way_waits_and_stops_nobody(self, cast, second, monkeypatch):
        monkeypatch.setattr(failover, "PASS", 2)
        seen_bound(cast.connector, ago=LIMIT + 5)
        alone = [accepted(cast) for _ in range(4)]
        other = over(cast, second)
        assert failover.leave_down_lines() == 1
        assert part_of(other).connector_id == second.pk
        assert {part_of(message).connector_id for message in alone} == {cast.connector.pk}

    @pytest.fixture
    def _many(self, monkeypatch):
        """Three without another connector are many."""
        monkeypatch.setattr(failover, "PASS", 2)
        monkeypatch.setattr(failover, "MANY", 3)

    @pytest.mark.usefixtures("_many")
    def test_many_without_another_way_are_looked_through_once_not_at_every_tick(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        alone = [accepted(cast) for _ in range(7)]
        assert failover.leave_down_lines() == 0
        with CaptureQueriesContext(connection) as asked:
            assert failover.leave_down_lines() == 0
        walks = [query for query in asked if 'FROM "messaging_part"' in query["sql"]]
        assert len(walks) == len(Lane)
        later = over(cast, second)
        assert failover.leave_down_lines() == 1
        assert part_of(later).connector_id == second.pk
        assert {part_of(message).connector_id for message in alone} == {cast.connector.pk}

    @pytest.mark.usefixtures("_many")
    def test_behind_many_another_connector_that_opens_is_seen_at_the_next_tick(self, cast, second):
        limit(second, active=False)
        seen_bound(cast.connector, ago=LIMIT + 5)
        messages = [over(cast, second) for _ in range(4)]
        assert failover.leave_down_lines() == 0
        limit(second, active=True)
        assert failover.leave_down_lines() == 4
        assert {part_of(message).connector_id for message in messages} == {second.pk}

    @pytest.mark.usefixtures("_many")
    @pytest.mark.parametrize(
        ("alone", "lane", "later", "found"),
        [
            (2, "transactional", 0.0, 1),
            (4, "transactional", 0.0, 0),
            (4, "otp", 0.0, 1),
            (4, "transactional", failover.AGAIN + 1, 1),
        ],
        ids=["beside few at once", "beside many within a minute", "otp at once", "beside many after a minute"],
    )
    def test_what_comes_back_with_a_lower_id_is_found(self, cast, second, monkeypatch, alone, lane, later, found):
        seen_bound(cast.connector, ago=LIMIT + 5)
        message = over(cast, second, lane=lane)
        Part.objects.filter(message_id=message.id).update(status=Status.SUBMITTING)
        for _ in range(alone):
            over(cast, lane=lane)
        assert failover.leave_down_lines() == 0
        Part.objects.filter(message_id=message.id).update(status=Status.QUEUED)
        begun = time.monotonic()
        monkeypatch.setattr(failover, "time", SimpleNamespace(monotonic=lambda: begun + later))
        assert failover.leave_down_lines() == found

    def test_every_lane_leaves_otp_first(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        for lane in ("bulk", "transactional", "otp"):
            over(cast, second, lane=lane)
        assert failover.leave_down_lines() == 3
        assert [batch.lane for batch in OutboxBatch.objects.order_by("id")] == ["otp", "transactional", "bulk"]

    def test_a_tick_ends_when_its_time_is_up_and_the_next_one_goes_on(self, cast, second, monkeypatch):
        monkeypatch.setattr(failover, "PASS", 2)
        seen_bound(cast.connector, ago=LIMIT + 5)
        for _ in range(5):
            over(cast, second)
        monkeypatch.setattr(failover, "BUDGET", 0.0)
        assert failover.leave_down_lines() == 0
        monkeypatch.setattr(failover, "BUDGET", 20.0)
        assert failover.leave_down_lines() == 5

    def test_only_the_missing_parts_of_a_message_go_over_the_next_connector(self, cast, second):
        line = bind(cast)
        message = over(cast, second, parts=3)
        line.claim([derive(message.id, 1)])
        line.answer(message, seq=1)
        line.claim([derive(message.id, 2)])  # on its way: nobody knows of it but its bind
        seen_bound(cast.connector, ago=LIMIT + 5)
        assert failover.leave_down_lines() == 1
        assert [part_of(message, seq).connector_id for seq in (1, 2, 3)] == [line.connector_id] * 2 + [second.pk]
        assert [state_of(message, seq) for seq in (1, 2)] == [Status.SUBMITTED, Status.SUBMITTING]

    def test_a_bind_that_comes_back_cannot_claim_what_has_gone(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        message = over(cast, second)
        failover.leave_down_lines()
        assert bind(cast).claim([derive(message.id, 1)]) == []
        assert state_of(message) == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_claim_at_the_same_moment_and_the_failover_never_both_have_a_part(cast, second):
    limit(cast.connector, failover_after=LIMIT)
    seen_bound(cast.connector, ago=LIMIT + 5)
    messages = [over(cast, second) for _ in range(60)]
    line, claimed = bind(cast), []

    def claim():
        try:
            while found := line.claim(limit=7):
                claimed.extend(part.message_id for part in found)
        finally:
            connection.close()

    thread = threading.Thread(target=claim)
    thread.start()
    moved = failover.leave_down_lines()
    thread.join()
    moved += failover.leave_down_lines()
    assert moved + len(claimed) == len(messages)
    assert Part.objects.filter(connector=second, status=Status.QUEUED).count() == moved
    assert Part.objects.filter(connector=cast.connector, status=Status.SUBMITTING).count() == len(claimed)


class TestWithoutAReceipt:
    @pytest.fixture(autouse=True)
    def _limits(self, cast):
        limit(cast.connector, receipt_timeout=LIMIT)

    def late(self, cast, second, **fields):
        """A message that the first connector took, and whose receipt is overdue."""
        message = sent(cast, bind(cast, **{k: fields.pop(k) for k in ("lane",) if k in fields}), **fields,
                       hops=(cast.connector.pk, second.pk))  # fmt: skip
        Part.objects.filter(message_id=message.id).exclude(uncertain_until=None).update(uncertain_until=past())
        return message

    def again(self, cast, second, **fields):
        """The same, with the other copy in the hands of the next connector."""
        message = self.late(cast, second, **fields)
        assert failover.resend_without_receipt() == message.parts
        line = bind(cast, connector_id=second.pk)
        line.claim()
        return message, line

    def test_what_others_hold_just_now_is_left_to_the_next_tick(self, cast, second, monkeypatch):
        message = self.late(cast, second)
        monkeypatch.setattr(failover, "PASS", 1)
        with monkeypatch.context() as held:
            held.setattr(failover.rows, "lock", lambda ids, **_: ({}, {}))
            assert failover.resend_without_receipt() == 0
        assert failover.resend_without_receipt() == 1
        assert part_of(message).connector_id == second.pk

    def test_it_goes_over_the_next_connector_flagged_counted_and_charged_once(self, cast, second):
        message = self.late(cast, second)
        before = cast.balance
        assert failover.resend_without_receipt() == 1
        assert failover.resend_without_receipt() == 0
        part = part_of(message)
        assert (part.status, part.connector_id, part.hop) == (Status.QUEUED, second.pk, 1)
        assert part.possible_duplicate and shown(message).possible_duplicate
        tried = Attempt.objects.get()
        assert (tried.number, tried.outcome, tried.connector_id) == (1, "no_receipt", cast.connector.pk)
        assert cast.balance == before
        assert told(message) == []

    def test_a_receipt_in_time_leaves_nothing_to_do(self, cast, second):
        line = bind(cast)
        message = sent(cast, line, hops=(cast.connector.pk, second.pk))
        line.hear(receipt_for(message))
        Part.objects.update(uncertain_until=past())
        assert failover.resend_without_receipt() == 0
        assert state_of(message) == Status.DELIVERED

    def test_it_is_not_due_before_the_time(self, cast, second):
        message = sent(cast, bind(cast), hops=(cast.connector.pk, second.pk))
        assert failover.resend_without_receipt() == 0
        due = part_of(message).uncertain_until
        assert abs(due - now() - timedelta(seconds=LIMIT)) < timedelta(seconds=5)

    def test_without_another_connector_it_goes_on_waiting(self, cast, second):
        message = sent(cast, bind(cast))
        Part.objects.update(uncertain_until=past())
        assert failover.resend_without_receipt() == 0
        part = part_of(message)
        assert (part.status, part.uncertain_until, part.possible_duplicate) == (Status.SUBMITTED, None, False)
        assert part.provider_id

    def test_what_may_not_be_sent_twice_is_not(self, cast, second):
        message = self.late(cast, second, lane="bulk")
        assert part_of(message).uncertain_until is None
        assert failover.resend_without_receipt() == 0

    def test_what_is_over_is_not_sent_again(self, cast, second):
        message = self.late(cast, second)
        Part.objects.update(expires_at=past())
        assert failover.resend_without_receipt() == 0
        assert state_of(message) == Status.SUBMITTED

    def test_only_the_parts_without_a_receipt_go_again(self, cast, second):
        line = bind(cast)
        message = sent(cast, line, parts=3, hops=(cast.connector.pk, second.pk))
        line.hear(receipt_for(message, seq=2))
        Part.objects.filter(status=Status.SUBMITTED).update(uncertain_until=past())
        assert failover.resend_without_receipt() == 2
        assert [state_of(message, seq) for seq in (1, 2, 3)] == [Status.QUEUED, Status.DELIVERED, Status.QUEUED]

    def test_a_late_receipt_calls_the_waiting_copy_back(self, cast, second):
        message = self.late(cast, second)
        failover.resend_without_receipt()
        Line(cast.connector.pk, 0).hear(receipt_for(message))
        part = part_of(message)
        assert (part.status, part.connector_id, part.matched_by) == (Status.DELIVERED, cast.connector.pk, "attempt")
        assert bind(cast, connector_id=second.pk).claim() == []
        assert len(told(message)) == 1

    def test_a_late_receipt_settles_while_the_other_copy_is_out_and_there_is_one_end(self, cast, second):
        message, line = self.again(cast, second)
        line.answer(message, provider_id="second-1")
        Line(cast.connector.pk, 0).hear(receipt_for(message))
        assert state_of(message) == Status.DELIVERED
        line.hear(receipt("second-1"))
        line.hear(receipt("second-1", MessageState.UNDELIVERABLE))
        assert state_of(message) == Status.DELIVERED
        assert len(told(message)) == 1
        assert cast.balance == 99

    def test_a_receipt_that_comes_while_the_other_copy_is_written_settles_it_afterwards(self, cast, second):
        message, line = self.again(cast, second)
        Line(cast.connector.pk, 0).hear(receipt_for(message))
        assert Receipt.objects.get().state == Receipt.State.PARKED
        line.answer(message, provider_id="second-1")
        Receipt.objects.update(next_try_at=past())
        assert sweep.rematch_parked() == 1
        assert state_of(message) == Status.DELIVERED
        assert len(told(message)) == 1

    def test_a_failure_of_the_first_copy_does_not_end_what_the_second_may_deliver(self, cast, second):
        message, line = self.again(cast, second)
        line.answer(message, provider_id="second-1")
        Line(cast.connector.pk, 0).hear(receipt_for(message, MessageState.UNDELIVERABLE))
        assert state_of(message) == Status.SUBMITTED
        line.hear(receipt("second-1"))
        assert state_of(message) == Status.DELIVERED
        assert len(told(message)) == 1

    @pytest.mark.parametrize("kind", [SendKind.PERMANENT, SendKind.ROUTE])
    def test_a_refusal_of_the_second_copy_leaves_the_first_one_waiting_for_its_receipt(self, cast, second, kind):
        message, line = self.again(cast, second)
        line.answer(message, kind, command_status=0x0B)
        part = part_of(message)
        assert (part.status, part.connector_id) == (Status.SUBMITTED, cast.connector.pk)
        assert (cast.balance, told(message)) == (99, [])
        assert [tried.outcome for tried in Attempt.objects.order_by("number")] == ["no_receipt", str(kind)]
        assert [tried.connector_id for tried in Attempt.objects.order_by("number")] == [cast.connector.pk, second.pk]
        Line(cast.connector.pk, 0).hear(receipt_for(message))
        assert state_of(message) == Status.DELIVERED
        assert len(told(message)) == 1

    def test_a_validity_that_ends_before_the_second_copy_leaves_the_first_one_waiting(self, cast, second):
        message = self.late(cast, second)
        failover.resend_without_receipt()
        Part.objects.update(expires_at=past())
        assert sweep.expire_due() == 1
        assert sweep.expire_due() == 0
        assert (state_of(message), part_of(message).connector_id) == (Status.SUBMITTED, cast.connector.pk)
        assert (cast.balance, told(message)) == (99, [])

    def test_a_second_copy_in_doubt_that_may_not_go_again_leaves_the_first_one_waiting(self, cast, second):
        message, line = self.again(cast, second)
        limit(second, uncertain_policy={"transactional": "hold"})
        line.answer(message, SendKind.UNCERTAIN)
        Part.objects.update(uncertain_until=past())
        sweep.resolve_uncertain()
        assert (state_of(message), part_of(message).connector_id) == (Status.SUBMITTED, cast.connector.pk)
        assert told(message) == []

    def test_it_cannot_be_cancelled(self, cast, second):
        message = self.late(cast, second)
        failover.resend_without_receipt()
        with pytest.raises(cancel.Rejected):
            cancel.cancel(account_id=cast.account.pk, message_id=message.id)
        assert state_of(message) == Status.QUEUED
