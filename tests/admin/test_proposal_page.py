"""Proposals of the DLR doctor are decided in their list, by the same service as everywhere."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from common.jobs import recorder
from connectors.models import Connector
from messaging.models import IdRuleProposal
from messaging.receipts.doctor import DOCTOR
from tests.admin.rows import MAKE
from tests.support import cast

pytestmark = pytest.mark.django_db
LIST = reverse("admin:messaging_idruleproposal_changelist")


def proposal() -> IdRuleProposal:
    found: IdRuleProposal = MAKE["messaging.IdRuleProposal"]()
    cast.make_connector(carrier_account=found.carrier_account)
    return found


def decide(client: Client, action: str, row: IdRuleProposal) -> str:
    answer = client.post(LIST, {"action": action, "_selected_action": [row.pk]}, follow=True)
    row.refresh_from_db()
    return answer.text


def test_staff_accepts_a_proposal_in_the_list_and_the_audit_log_names_them(
    admin: Client, django_capture_on_commit_callbacks: object
) -> None:
    row = proposal()
    with recorder() as jobs, django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        decide(admin, "accept", row)
    assert (row.state, Connector.objects.get().id_rule) == ("ACCEPTED", "hex_to_dec")
    assert [job for job, _ in jobs] == [DOCTOR]
    entry = AuditEntry.objects.get(action="accept")
    assert (entry.actor, entry.user_id) == (row.decided_by, entry.user.pk)
    assert "is accepted" in decide(admin, "reject", row)
    assert row.state == "ACCEPTED"


def test_staff_rejects_a_proposal_and_nothing_else_changes(admin: Client) -> None:
    row = proposal()
    decide(admin, "reject", row)
    assert (row.state, Connector.objects.get().id_rule) == ("REJECTED", "as_is")
    assert "is rejected" in decide(admin, "accept", row)
    assert Connector.objects.get().id_rule == "as_is"


def test_customers_and_strangers_decide_nothing(enterprise: Client) -> None:
    row = proposal()
    for outsider in (enterprise, Client()):
        decide(outsider, "accept", row)
    assert (row.state, Connector.objects.get().id_rule) == ("OPEN", "as_is")
    assert not AuditEntry.objects.exists()
