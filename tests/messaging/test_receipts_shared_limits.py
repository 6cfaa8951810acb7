"""What one receipt for a long message leaves alone: parts over other connectors, other copies, timeouts."""

import json
from datetime import timedelta

import pytest

from common.errors import SendKind
from messaging import failover, sweep
from messaging.models import Part, Status
from smpp.constants import MessageState
from tests.messaging.sharing import PARTS, SHARED, SPEAKER, D, U, paying_on_delivery, states
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
    state_of,
    told,
)
from tests.support.cast import customer, forget_snapshots, make_connector
from tests.support.money import assert_money_is_exact

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.mark.parametrize("state", [MessageState.ENROUTE, MessageState.DELIVERED])
def test_a_part_in_doubt_whose_receipt_proves_that_it_was_taken_follows_the_part_that_spoke_before(state):
    cast = paying_on_delivery("first")
    line = bind(cast)
    message = accepted(cast, parts=3)
    line.claim()
    for seq in PARTS:
        line.answer(message, SendKind.UNCERTAIN if seq == 3 else "submitted", seq=seq)
    line.hear(receipt_for(message, seq=1))
    line.hear(receipt("never-told", state))
    assert states(message) == "DDD"
    assert part_of(message, 3).matched_by == ("sibling" if state == MessageState.ENROUTE else "address")
    assert len(told(message)) == 1


class TestOverSeveralConnectors:
    def hopped(self, mode, *, over=2, other_mode="each"):
        """One part of three over the next connector, because the first one refused it there."""
        second = make_connector(dlr_parts=other_mode)
        cast = paying_on_delivery(mode)
        line = bind(cast)
        message = accepted(cast, parts=3, hops=(cast.connector.pk, second.pk))
        line.claim()
        for seq in PARTS:
            line.answer(message, SendKind.ROUTE if seq == over else "submitted", seq=seq)
        other = bind(cast, connector_id=second.pk)
        assert [part.hop for part in other.claim()] == [1]
        return cast, line, other, message

    def test_a_part_that_went_over_another_connector_waits_for_its_own_receipt(self):
        cast, line, other, message = self.hopped("first")
        other.answer(message, seq=2)
        line.hear(receipt_for(message, seq=1))
        assert (states(message), told(message)) == ("D-D", [])
        other.hear(receipt_for(message, U, seq=2))
        assert (states(message), len(told(message)), cast.balance) == ("DUD", 1, 98)

    def test_its_receipt_says_nothing_of_those_that_did_not(self):
        _, _, other, message = self.hopped("first", over=1, other_mode="any")
        other.answer(message, seq=1)
        other.hear(receipt_for(message, seq=1))
        assert (states(message), told(message)) == ("D--", [])

    def test_its_answer_after_the_receipt_of_the_others_is_not_settled_by_it(self):
        _, line, other, message = self.hopped("any", other_mode="any")
        line.hear(receipt_for(message, seq=3))
        other.answer(message, seq=2)
        assert states(message) == "D-D"

    def test_a_receipt_over_another_link_of_the_carrier_settles_by_the_connector_that_sent(self):
        sender, listener = (make_connector(carrier_account="acme", dlr_parts=mode) for mode in ("first", "each"))
        cast = customer(connector=sender)
        message = sent(cast, bind(cast), parts=3)
        Line(listener.pk, 0).hear(receipt_for(message, seq=1))
        assert states(message) == "DDD"

    def test_the_mode_of_another_link_of_the_carrier_settles_nothing(self):
        sender, _ = (make_connector(carrier_account="acme", dlr_parts=mode) for mode in ("each", "first"))
        cast = customer(connector=sender)
        line = bind(cast)
        message = sent(cast, line, parts=3)
        line.hear(receipt_for(message, seq=1))
        assert states(message) == "D--"


class TestWithoutAReceiptInTime:
    def late(self, mode="first"):
        second = make_connector()
        cast = paying_on_delivery(mode, receipt_timeout=30)
        line = bind(cast)
        message = sent(cast, line, parts=3, hops=(cast.connector.pk, second.pk))
        return cast, line, second, message

    def test_what_followed_a_receipt_is_not_sent_again(self):
        _, line, _, message = self.late()
        line.hear(receipt_for(message, seq=1))
        Part.objects.update(uncertain_until=past())
        assert failover.resend_without_receipt() == 0
        assert states(message) == "DDD"

    def test_the_receipt_of_an_earlier_copy_settles_its_own_part_only(self):
        cast, line, second, message = self.late()
        Part.objects.update(uncertain_until=past())
        assert failover.resend_without_receipt() == 3
        other = bind(cast, connector_id=second.pk)
        other.claim()
        for seq in PARTS:
            other.answer(message, seq=seq, provider_id=f"second-{seq}")
        line.hear(receipt_for(message, seq=1))
        assert (states(message), part_of(message).matched_by) == ("D--", "attempt")
        other.hear(receipt("second-2"), receipt("second-3"))
        assert (states(message), len(told(message)), cast.balance) == ("DDD", 1, 97)

    @pytest.mark.parametrize(("timeout", "again"), [(30, 2), (0, 0)])
    def test_parts_that_never_asked_go_over_the_next_connector_too_when_the_one_that_speaks_was_refused(
        self, timeout, again
    ):
        second = make_connector()
        cast = paying_on_delivery("first", receipt_timeout=timeout)
        line = bind(cast)
        message = accepted(cast, parts=3, hops=(cast.connector.pk, second.pk))
        line.claim()
        for seq in PARTS:
            line.answer(message, SendKind.ROUTE if seq == 1 else "submitted", seq=seq)
        Part.objects.exclude(uncertain_until=None).update(uncertain_until=past())
        assert failover.resend_without_receipt() == again
        assert [part_of(message, seq).connector_id == second.pk for seq in PARTS] == [True, bool(again), bool(again)]
        assert [part_of(message, seq).possible_duplicate for seq in PARTS] == [False, bool(again), bool(again)]
        Part.objects.update(expires_at=now() - timedelta(hours=73))
        assert sweep.close_unreceipted() == 2 - again  # what goes again is not silent: it waits there
        assert cast.balance == 97 + 2 - again

    def test_a_copy_delivered_by_the_earlier_connector_does_not_speak_on_the_later_one(self):
        cast, line, second, message = self.late()
        type(second).objects.filter(pk=second.pk).update(dlr_parts="first")
        forget_snapshots()
        Part.objects.update(uncertain_until=past())
        failover.resend_without_receipt()
        other = bind(cast, connector_id=second.pk)
        other.claim()
        other.answer(message, seq=1, provider_id="second-1")
        line.hear(receipt_for(message, seq=1))
        other.answer(message, seq=2, provider_id="second-2")
        assert [state_of(message, seq) for seq in PARTS] == ["DELIVERED", "SUBMITTED", "SUBMITTING"]


class TestTimeouts:
    def closed(self, mode):
        cast = paying_on_delivery(mode)
        line = bind(cast)
        message = sent(cast, line, parts=3)
        Part.objects.update(expires_at=now() - timedelta(hours=73))
        return cast, line, message

    @pytest.mark.parametrize("mode", ["each", *SHARED])
    def test_without_any_receipt_all_parts_end_as_unknown_and_are_told_once(self, mode):
        cast, _, message = self.closed(mode)
        assert sweep.close_unreceipted() == 3
        assert (states(message), len(told(message)), cast.balance) == ("???", 1, 100)

    def test_parts_that_the_receipt_did_not_speak_for_end_as_unknown(self):
        cast, line, message = self.closed("first")
        line.hear(receipt_for(message, seq=2))
        assert sweep.close_unreceipted() == 2
        assert (states(message), len(told(message)), cast.balance) == ("?D?", 1, 99)

    @pytest.mark.parametrize("mode", SHARED)
    @pytest.mark.parametrize("says", [D, U])
    def test_a_late_receipt_settles_all_that_a_timeout_had_ended_once_and_charges_nobody_again(self, mode, says):
        cast, line, message = self.closed(mode)
        sweep.close_unreceipted()
        line.hear(receipt_for(message, says, seq=SPEAKER[mode]))
        line.hear(receipt_for(message, says, seq=SPEAKER[mode]))
        assert states(message) == ("DDD" if says is D else "UUU")
        word = "DELIVRD" if says is D else "UNDELIV"
        assert [json.loads(found.body)["status"] for found in told(message)] == ["UNDELIV", word]
        assert cast.balance == 100
        assert_money_is_exact()

    def test_an_answer_that_comes_after_the_end_of_a_doubt_is_settled_too(self):
        cast = paying_on_delivery("first", uncertain_policy={"transactional": "hold"})
        line = bind(cast)
        message = accepted(cast, parts=3)
        line.claim()
        for seq in PARTS:
            line.answer(message, SendKind.UNCERTAIN if seq == 2 else "submitted", seq=seq)
        Part.objects.filter(status=Status.UNCERTAIN).update(uncertain_until=past())
        sweep.resolve_uncertain()
        line.hear(receipt_for(message, seq=1))
        assert states(message) == "D?D"  # nobody knows whether the carrier took it
        line.answer(message, seq=2)
        assert states(message) == "DDD"
