"""Wallets, connectors, routes and messages in the admin."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from billing.models import LedgerEntry, Wallet
from common.alerts import raise_alert
from common.ids import new_id
from common.models import Alert
from connectors.models import Connector
from messaging.admin import waiting
from messaging.models import Message
from routing.models import MtRoute
from tests.admin import rows
from tests.admin.browser import untouched
from tests.admin.rows import message
from tests.support import cast

pytestmark = pytest.mark.django_db


def submit(browser: Client, model: str, page: str, *args: Any, **values: Any) -> Any:
    path = reverse(f"admin:{model}_{page}", args=args)
    return browser.post(path, {**untouched(browser.get(path), f"{model.split('_')[1]}_form"), **values})


def test_the_terms_of_a_wallet_change_and_its_balance_does_not(superadmin: Client) -> None:
    account = cast.make_account(credits="100")
    Wallet.objects.filter(pk=account.pk).update(balance=Decimal("60"))
    values = {"credit_limit": "25", "balance": "1000000", "account": "1"}
    assert submit(superadmin, "billing_wallet", "change", account.pk, **values).status_code == 302
    wallet = Wallet.objects.get(pk=account.pk)
    assert (wallet.balance, wallet.credit_limit, wallet.unlimited) == (Decimal("60"), Decimal("25"), False)
    (before, after) = AuditEntry.objects.get().details["credit_limit"]
    assert (Decimal(before), Decimal(after)) == (0, 25)


def test_terms_that_the_balance_has_passed_are_refused(superadmin: Client) -> None:
    account = cast.make_account(credits="0", credit_limit="50")
    Wallet.objects.filter(pk=account.pk).update(balance=Decimal("-40"))
    answer = submit(superadmin, "billing_wallet", "change", account.pk, credit_limit="10")
    assert Wallet.objects.get(pk=account.pk).credit_limit == Decimal("50")
    assert answer.status_code == 200 and answer.context["errors"]
    assert not AuditEntry.objects.exists()


def test_a_new_account_gets_an_empty_wallet(superadmin: Client) -> None:
    assert submit(superadmin, "accounts_account", "add", name="acme").status_code == 302
    assert Wallet.objects.get(account__name="acme").balance == 0
    assert not LedgerEntry.objects.exists()


def test_a_connector_is_made_with_its_cost_and_its_password_is_never_shown(superadmin: Client) -> None:
    values = {"name": "smpp1", "host": "127.0.0.1", "password": "planted-1", "profile-0-cost_per_message": "0.02"}
    assert submit(superadmin, "connectors_connector", "add", **values).status_code == 302
    line = Connector.objects.get()
    assert (line.password, line.profile.cost_per_message) == ("planted-1", Decimal("0.02"))
    assert submit(superadmin, "connectors_connector", "change", line.pk, tps="5").status_code == 302
    line.refresh_from_db()
    assert (line.password, line.tps) == ("planted-1", 5)
    assert submit(superadmin, "connectors_connector", "change", line.pk, password="planted-2").status_code == 302
    line.refresh_from_db()
    assert line.password == "planted-2" and "planted" not in str(list(AuditEntry.objects.values()))
    refused = superadmin.post(reverse("admin:connectors_connector_delete", args=[line.pk]), {"post": "yes"})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("enquire_link_interval", "0", "1 to 3600"),
        ("dest_npi", "999", "-1 to 18"),
        ("host", "smsc example", "without blanks"),
        ("tls_ca", "no pem", "in PEM"),
        ("more_hosts", "a\nb\nc\nd\ne\nf\ng\nh", "8 hosts: 0 to 7"),
        ("more_hosts", '["a","b"]', "is no host"),
        ("host", "smsc/example", "One host name or address"),
    ],
)
def test_what_no_line_can_have_is_refused_at_its_field(superadmin: Client, field: str, value: str, words: str) -> None:
    line = cast.make_connector()
    refused = submit(superadmin, "connectors_connector", "change", line.pk, **{field: value})
    assert refused.status_code == 200
    [said] = refused.context["adminform"].form.errors[field]
    assert words in said
    kept = Connector.objects.get()
    assert (kept.host, kept.enquire_link_interval, kept.tls_ca, kept.more_hosts) == ("127.0.0.1", 30, "", [])


@pytest.mark.parametrize(
    ("action", "active", "desired"),
    [
        ("stop", True, "stopped"),
        ("drain", True, "draining"),
        ("restart", True, "started"),
        ("switch_off", False, "started"),
        ("switch_on", True, "started"),
    ],
)
def test_connectors_are_switched_by_the_service_with_an_audit_line(
    superadmin: Client, action: str, active: bool, desired: str
) -> None:
    line = cast.make_connector(active=action != "switch_on")
    chosen = {"action": action, "_selected_action": [str(line.pk)]}
    superadmin.post(reverse("admin:connectors_connector_changelist"), chosen)
    line.refresh_from_db()
    assert (line.active, line.desired) == (active, desired)
    assert AuditEntry.objects.get().entity == "connector"
    assert line.generation == (action == "restart")


@pytest.mark.parametrize("action", ["drain", "restart"])
def test_what_makes_no_sense_for_a_stopped_connector_is_said_and_not_done(superadmin: Client, action: str) -> None:
    line = cast.make_connector(desired="stopped")
    chosen = {"action": action, "_selected_action": [str(line.pk)]}
    page = superadmin.post(reverse("admin:connectors_connector_changelist"), chosen, follow=True)
    assert f"{line.name} is stopped: start it first" in page.text
    line.refresh_from_db()
    assert (line.desired, line.generation) == ("stopped", 0) and not AuditEntry.objects.exists()


def test_alerts_are_read_by_staff_and_closed_by_hand_with_an_audit_line(admin: Client, enterprise: Client) -> None:
    raise_alert(key="k", level="fail", subject="connector smpp1", words="refused")
    pages = reverse("admin:common_alert_changelist")
    assert "connector smpp1" in admin.get(pages).text
    assert enterprise.get(pages).status_code == 302
    alert = Alert.objects.get()
    assert admin.get(reverse("admin:common_alert_change", args=[alert.pk])).status_code == 200
    assert admin.post(reverse("admin:common_alert_delete", args=[alert.pk]), {"post": "yes"}).status_code == 403
    admin.post(pages, {"action": "resolve", "_selected_action": [str(alert.pk)]})
    alert.refresh_from_db()
    assert alert.resolved_at and AuditEntry.objects.get().action == "resolve"


def test_a_route_with_a_negative_rate_is_refused(superadmin: Client) -> None:
    profile = cast.make_profile(cast.make_connector())
    route = MtRoute.objects.get(profile=profile)
    answer = submit(superadmin, "routing_mtroute", "change", route.pk, rate="-1")
    assert answer.context["errors"]
    route.refresh_from_db()
    assert route.rate == 1


def test_the_list_of_accounts_shows_credits_routing_and_senders(superadmin: Client) -> None:
    customer = cast.customer(credits="12.5")
    text = superadmin.get(reverse("admin:accounts_account_changelist")).text
    assert customer.account.name in text and "12.5" in text and str(customer.profile) in text


def test_the_list_of_connectors_shows_what_waits_for_each(superadmin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, idle = cast.make_connector(), cast.make_connector()
    for _ in range(3):
        part = rows.part()
        type(part).objects.filter(pk=part.pk).update(connector=busy.pk, status="QUEUED")
    rows.part()  # of a connector of its own, and no longer waiting

    def shown() -> dict[str, str]:
        page = superadmin.get(reverse("admin:connectors_connector_changelist"))
        return {line.name: waiting.queued(line) for line in page.context["cl"].result_list}

    assert shown()[busy.name] == "3"
    assert [count for name, count in shown().items() if name != busy.name] == ["0"] * (Connector.objects.count() - 1)
    assert idle.name in shown()
    monkeypatch.setattr(waiting, "COUNTED", 2)
    assert shown()[busy.name] == "2+"


def listed(browser: Client, **query: str) -> set[Any]:
    answer = browser.get(reverse("admin:messaging_message_changelist"), query)
    return {row.pk for row in answer.context["cl"].result_list}


def test_messages_are_found_by_id_and_number_and_bounded_to_a_day_unless_asked(superadmin: Client) -> None:
    fresh, old = message(), message()
    long_ago = new_id().int - (3 * 86_400_000 << 80)
    Message.objects.filter(pk=old.pk).update(id=UUID(int=long_ago), recipient="4915112345678")
    old_id = UUID(int=long_ago)
    assert listed(superadmin) == {fresh.pk}
    assert listed(superadmin, since="7d") == {fresh.pk, old_id}
    assert listed(superadmin, q=f"queued_{old_id}") == {old_id}
    assert listed(superadmin, q="+49 151 12345678") == {old_id}
    assert listed(superadmin, q="no such thing") == set()


def test_pages_are_turned_without_counting(superadmin: Client) -> None:
    first = message()
    for _ in range(50):
        first.pk = new_id()
        first.created_at = timezone.now()
        first.save(force_insert=True)
    assert len(listed(superadmin)) == 50
    assert len(listed(superadmin, p="2")) == 1
    assert listed(superadmin).isdisjoint(listed(superadmin, p="2"))


def test_one_time_passwords_are_read_by_superadmins_only(superadmin: Client, admin: Client) -> None:
    secret = message()
    Message.objects.filter(pk=secret.pk).update(lane="otp", content="your code is 424242")
    pages = [
        reverse("admin:messaging_message_changelist"),
        reverse("admin:messaging_message_change", args=[secret.pk]),
    ]
    assert all("424242" in superadmin.get(page).text for page in pages)
    assert all("424242" not in admin.get(page).text for page in pages)
