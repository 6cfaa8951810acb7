"""The trace: one story in the order of time, and only what its reader may know."""

import pytest

from common.errors import Code, Rejected, SendKind
from messaging import sweep
from messaging.models import Part
from messaging.trace import trace
from smpp.constants import MessageState
from tests.messaging.underway import accepted, bind, past, receipt_for, sent
from tests.support.cast import customer, stranger

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def journey(cast):
    """A retry, a success, a receipt, a conflicting one."""
    line = bind(cast)
    message = accepted(cast, cost="0.012345")
    line.claim()
    line.answer(message, SendKind.TEMPORARY, command_status=0x08)
    Part.objects.update(send_at=past())
    sweep.dispatch_due()
    line.claim()
    line.answer(message)
    line.hear(receipt_for(message))
    line.hear(receipt_for(message, MessageState.UNDELIVERABLE, err="011"))
    return message


def test_a_trace_tells_everything_in_order():
    cast = customer()
    message = journey(cast)
    story = trace(None, message.id)
    kinds = [entry["kind"] for entry in story]
    assert kinds[0] == "accepted"
    assert set(kinds) == {
        "accepted",
        "charged",
        "attempt",
        "claimed",
        "submitted",
        "receipt",
        "part_ended",
        "ended",
        "callback",
        "dlr_conflict",
    }
    assert [entry["at"] for entry in story] == sorted(entry["at"] for entry in story)
    assert kinds.index("attempt") < kinds.index("submitted") < kinds.index("receipt") < kinds.index("dlr_conflict")
    attempt = next(entry for entry in story if entry["kind"] == "attempt")
    assert (attempt["part"], attempt["number"], attempt["outcome"], attempt["status"]) == (
        1,
        1,
        "temporary",
        "ESME_RSYSERR",
    )
    receipt = next(entry for entry in story if entry["kind"] == "receipt")
    assert (receipt["status"], receipt["matched_by"], receipt["state"]) == ("DELIVRD", "id", "MATCHED")
    assert receipt["raw"]


def test_staff_see_the_cost_and_customers_never():
    cast = customer()
    message = journey(cast)
    assert trace(None, message.id)[0]["cost"] == "0.012345"
    assert all("cost" not in entry for entry in trace(cast.account.pk, message.id))


def test_a_masked_account_sees_nothing_of_the_provider():
    cast = customer(mask_connector=True)
    message = journey(cast)
    text = repr(trace(cast.account.pk, message.id))
    assert cast.connector.name not in text
    assert message.id.hex[:24] not in text
    assert not {"raw", "provider_id", "route"} & {key for entry in trace(cast.account.pk, message.id) for key in entry}
    assert cast.connector.name in repr(trace(None, message.id))


def test_an_account_that_is_not_masked_sees_the_line():
    cast = customer()
    message = sent(cast, bind(cast))
    assert cast.connector.name in repr(trace(cast.account.pk, message.id))


def test_refunds_are_part_of_the_story():
    cast = customer()
    line = bind(cast)
    message = accepted(cast, parts=2)
    line.claim()
    line.answer(message, SendKind.PERMANENT, seq=2, command_status=0x0B)
    [refund] = [entry for entry in trace(cast.account.pk, message.id) if entry["kind"] == "refunded"]
    assert (refund["part"], refund["amount"]) == (2, "1.0000")


def test_a_stranger_is_told_nothing():
    message = journey(customer())
    with pytest.raises(Rejected) as refusal:
        trace(stranger().account.pk, message.id)
    assert refusal.value.code == Code.NOT_FOUND
