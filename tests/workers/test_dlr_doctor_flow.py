"""A carrier that reports in another form, over TCP: parked, proposed, accepted, all delivered, one callback each."""

import pytest

from accounts.audit import Actor
from messaging.models import Delivery, Part, Receipt
from messaging.receipts import doctor
from tests.support.cast import forget_snapshots
from tests.workers.bind_cast import message, scene, state

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]
MANY = 24


@pytest.mark.parametrize(
    ("style", "rule"),
    [("hexid", "dec_to_hex"), ("upperid", "casefold"), ("zerosdropped", "strip_zeros"), ("bareid", "core")],
)
def test_receipts_that_were_parked_or_given_up_are_all_delivered_after_acceptance(style, rule):
    with scene(simulator={"receipt_style": style}) as found:
        ids = found.send_all([{"to": f"97150{number:07d}", "content": "Hello"} for number in range(MANY)])
        found.until(lambda: Receipt.objects.filter(state="PARKED").count() == MANY)
        given_up = list(Receipt.objects.order_by("id").values_list("id", flat=True)[:4])
        Receipt.objects.filter(id__in=given_up).update(state="ORPHAN", next_try_at=None)
        assert set(Part.objects.values_list("status", flat=True)) == {"SUBMITTED"}
        doctor.look_over()
        [proposal] = doctor.open_proposals()
        assert (proposal.rule, proposal.agreeing) == (rule, MANY)
        doctor.accept(proposal, actor=Actor("ann"))
        forget_snapshots()
        doctor.look_over()
        assert {message(one).status for one in ids} == {"DELIVERED"}
        assert sorted(Delivery.objects.values_list("subject", flat=True)) == sorted(ids)
        assert set(Receipt.objects.values_list("state", flat=True)) == {"MATCHED"}
        later = found.send()
        found.until(lambda: state(later) == "DELIVERED")
