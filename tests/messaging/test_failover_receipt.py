"""No receipt in time: what is missing goes again over the next connector, flagged, and nothing ends twice."""

from datetime import timedelta

import pytest

from common.errors import SendKind
from messaging import cancel, failover, sweep
from messaging.models import Attempt, Part, Receipt, Status
from smpp.constants import MessageState
from tests.messaging.failing_over import LIMIT, limit
from tests.messaging.underway import Line, bind, now, part_of, past, receipt, receipt_for, sent, shown, state_of, told

pytestmark = [pytest.mark.both, pytest.mark.django_db]


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
