"""Clients, keys and people made in the admin."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.credentials import by_key
from accounts.models import Account, ApiClient, ApiKey, AuditEntry, Role, SmppClient, StaffKey, User
from accounts.snapshot import accounts
from accounts.staff_keys import by_staff_key
from billing.models import LedgerEntry, Wallet
from common.errors import Rejected
from tests.admin.browser import untouched
from tests.support import cast
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


def submit(browser: Client, model: str, page: str, *args: Any, **values: Any) -> Any:
    """Open the page, fill the fields in, send the form."""
    path = reverse(f"admin:accounts_{model}_{page}", args=args)
    form = untouched(browser.get(path), f"{model}_form")
    return browser.post(path, {**form, **values})


def shown(answer: Any) -> dict[str, str]:
    """The secrets on the page that shows them once."""
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"], answer.context["errors"]
    return dict(re.findall(r"<dt>(.*?)</dt>\s*<dd><code>(.*?)</code></dd>", answer.text))


def test_a_new_client_shows_key_and_drawn_password_once_in_the_answer(superadmin: Client) -> None:
    account = cast.make_account()
    answer = submit(superadmin, "apiclient", "add", username="acme_otp", account=account.pk, ip_whitelist="10.0.0.0/8")
    secrets = shown(answer)
    client = ApiClient.objects.get()
    assert (client.account, client.ip_whitelist, client.rate_limit) == (account, ["10.0.0.0/8"], 10)
    assert check_password(secrets["Password"], client.password)
    cast.forget_snapshots()
    assert by_key(secrets["API key"], address="10.1.2.3").client.id == client.pk
    later = superadmin.get(reverse("admin:accounts_apiclient_change", args=[client.pk])).text
    later += superadmin.get(reverse("admin:accounts_apikey_changelist")).text
    everywhere = later + str(list(AuditEntry.objects.values())) + str(answer.cookies)
    everywhere += str([session.get_decoded() for session in Session.objects.all()])
    for secret in secrets.values():
        assert secret not in everywhere
    assert {entry.action for entry in AuditEntry.objects.all()} == {"create"}


def test_a_given_password_is_kept_as_hash_and_not_shown(superadmin: Client) -> None:
    account = cast.make_account()
    answer = submit(superadmin, "apiclient", "add", username="acme", account=account.pk, new_password="given-Pa55")
    assert set(shown(answer)) == {"API key"} and "given-Pa55" not in answer.text
    assert check_password("given-Pa55", ApiClient.objects.get().password)


def test_a_client_without_account_gets_account_and_wallet_of_its_own(superadmin: Client) -> None:
    shown(submit(superadmin, "apiclient", "add", username="solo"))
    assert ApiClient.objects.get().account == Account.objects.get(name="solo") == Wallet.objects.get().account
    assert not LedgerEntry.objects.exists()


def test_a_client_without_account_begins_with_the_credits_of_its_form(superadmin: Client) -> None:
    shown(submit(superadmin, "apiclient", "add", username="solo", credits="12.5"))
    wallet = Wallet.objects.get()
    assert (wallet.account.name, wallet.balance, wallet.unlimited) == ("solo", Decimal("12.5"), False)
    entry = LedgerEntry.objects.get()
    assert (entry.account_id, entry.reason, entry.amount) == (wallet.account_id, "top_up", Decimal("12.5"))
    shown(submit(superadmin, "apiclient", "add", username="free", unlimited="on"))
    assert Wallet.objects.get(account__name="free").unlimited and LedgerEntry.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "a b"},
        {"username": ""},
        {"ip_whitelist": "10.0.0"},
        {"new_password": "x" * 200},
        {"username": "taken", "account": ""},
        {"spending_cap": "1e30"},
        {"credits": "5"},
        {"unlimited": "on"},
        {"credits": "-1", "account": ""},
        {"credits": "0.00001", "account": ""},
    ],
)
def test_a_wrong_client_is_refused_and_nothing_is_written(superadmin: Client, wrong: dict[str, Any]) -> None:
    account = cast.make_account("taken")
    answer = submit(superadmin, "apiclient", "add", **{"username": "acme", "account": account.pk, **wrong})
    assert answer.status_code == 200 and answer.context["errors"]
    assert not ApiClient.objects.exists() and not ApiKey.objects.exists() and not AuditEntry.objects.exists()
    assert Account.objects.count() == 1 and LedgerEntry.objects.count() == 1  # the cast's own


def test_an_edit_keeps_secrets_that_were_left_empty_and_audits_before_and_after(superadmin: Client) -> None:
    client = cast.make_client(cast.make_account(), webhook_secret="old-secret")
    hashed = client.password
    assert submit(superadmin, "apiclient", "change", client.pk, rate_limit="7").status_code == 302
    client.refresh_from_db()
    assert (client.rate_limit, client.webhook_secret, client.password) == (7, "old-secret", hashed)
    entry = AuditEntry.objects.get()
    assert entry.details == {"rate_limit": [0, 7]} and entry.user and entry.ip == "127.0.0.1"
    values = {"webhook_secret": "new-secret", "new_password": "new-Pa55-word"}
    assert submit(superadmin, "apiclient", "change", client.pk, **values).status_code == 302
    client.refresh_from_db()
    assert client.webhook_secret == "new-secret" and check_password("new-Pa55-word", client.password)
    log = str(list(AuditEntry.objects.values()))
    assert "new-secret" not in log and "new-Pa55-word" not in log and "set_password" in log


def test_a_new_esme_account_shows_its_password_once(superadmin: Client) -> None:
    account = cast.make_account()
    secrets = shown(submit(superadmin, "smppclient", "add", system_id="acme", account=account.pk))
    assert len(secrets["Password"]) == 8 and check_password(secrets["Password"], SmppClient.objects.get().password)
    refused = submit(
        superadmin, "smppclient", "add", system_id="other", account=account.pk, new_password="longer than eight"
    )
    assert refused.status_code == 200 and refused.context["errors"] and SmppClient.objects.count() == 1


def test_keys_are_issued_rotated_and_revoked(superadmin: Client) -> None:
    client = cast.make_client(cast.make_account())
    first = shown(submit(superadmin, "apikey", "add", api_client=client.pk, name="shop", scopes=["send"]))["API key"]
    key = ApiKey.objects.get()
    assert key.scopes == ["send"]
    chosen = {"action": "rotate", "_selected_action": [str(key.pk)]}
    (second,) = shown(superadmin.post(reverse("admin:accounts_apikey_changelist"), chosen)).values()
    cast.forget_snapshots()
    assert by_key(first, address=HERE) and by_key(second, address=HERE).scopes == {"send"}
    superadmin.post(reverse("admin:accounts_apikey_changelist"), {**chosen, "action": "revoke"})
    cast.forget_snapshots()
    assert accounts().key_by_hash(key.key_hash).active is False
    assert by_key(second, address=HERE)


def test_suspending_and_deleting_in_bulk_reaches_the_snapshot(superadmin: Client) -> None:
    client = cast.make_client(cast.make_account())
    version = accounts().client(client.pk)
    assert version and version.account.active
    chosen = {"action": "suspend", "_selected_action": [str(client.account_id)]}
    superadmin.post(reverse("admin:accounts_account_changelist"), chosen)
    wait_until(lambda: not accounts().client(client.pk).account.active, timeout=3)
    chosen = {"action": "delete_selected", "_selected_action": [str(client.pk)], "post": "yes"}
    superadmin.post(reverse("admin:accounts_apiclient_changelist"), chosen)
    wait_until(lambda: accounts().client(client.pk) is None, timeout=3)
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["suspend", "delete"]


def test_an_account_is_never_deleted(superadmin: Client) -> None:
    account = cast.make_account()
    assert (
        superadmin.post(reverse("admin:accounts_account_delete", args=[account.pk]), {"post": "yes"}).status_code == 403
    )
    chosen = {"action": "delete_selected", "_selected_action": [str(account.pk)], "post": "yes"}
    superadmin.post(reverse("admin:accounts_account_changelist"), chosen)
    assert Account.objects.filter(pk=account.pk).exists()


NEW_USER = {"username": "bob", "new_password": "long-and-Odd-7"}


def test_users_are_made_by_the_rules_of_roles(superadmin: Client) -> None:
    account = cast.make_account()
    assert submit(superadmin, "user", "add", **NEW_USER, role=Role.ENTERPRISE, account=account.pk).status_code == 302
    bob = User.objects.get(username="bob")
    assert bob.check_password("long-and-Odd-7") and not bob.is_staff and bob.account == account
    for wrong in (
        {"username": "eve", "role": Role.ENTERPRISE},
        {"username": "eve", "role": Role.ADMIN, "account": account.pk},
        {"username": "eve", "role": Role.ADMIN, "new_password": "password"},
        {"username": "eve", "role": Role.ADMIN, "new_password": ""},
    ):
        answer = submit(superadmin, "user", "add", **{**NEW_USER, **wrong})
        assert answer.status_code == 200 and answer.context["errors"], wrong
    assert not User.objects.filter(username="eve").exists()


def test_an_admin_neither_makes_nor_touches_superadmins(admin: Client) -> None:
    chief = cast.make_user(role=Role.SUPERADMIN)
    assert submit(admin, "user", "add", **NEW_USER, role=Role.SUPERADMIN).context["errors"]
    assert not User.objects.filter(username="bob").exists()
    change = reverse("admin:accounts_user_change", args=[chief.pk])
    assert admin.post(change, {"username": "mine"}).status_code == 403
    assert admin.post(reverse("admin:auth_user_password_change", args=[chief.pk]), {}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(chief.pk)], "post": "yes"}
    admin.post(reverse("admin:accounts_user_changelist"), chosen)
    member = cast.make_user(cast.make_account())
    answer = submit(admin, "user", "change", member.pk, role=Role.SUPERADMIN, account="")
    assert answer.context["errors"]
    chief.refresh_from_db()
    member.refresh_from_db()
    assert chief.username != "mine" and chief.check_password(cast.PASSWORD) and member.role == Role.ENTERPRISE


def test_a_password_that_somebody_else_chose_must_be_changed_before_anything_else() -> None:
    chief, other = cast.make_user(role=Role.SUPERADMIN), cast.make_user(role=Role.ADMIN)
    browser, theirs = Client(), Client()
    browser.force_login(chief)
    path = reverse("admin:auth_user_password_change", args=[other.pk])
    form = {"password1": "long-and-Odd-7", "password2": "long-and-Odd-7"}
    assert browser.post(path, form).status_code == 302
    assert AuditEntry.objects.get().action == "set_password"
    assert theirs.login(username=other.username, password="long-and-Odd-7")
    assert theirs.get(reverse("admin:accounts_account_changelist")).status_code == 403
    own = {"old_password": "long-and-Odd-7", "new_password1": "my-Own-word-8", "new_password2": "my-Own-word-8"}
    assert theirs.get(reverse("admin:password_change")).status_code == 200
    assert theirs.post(reverse("admin:password_change"), own).status_code == 302
    assert theirs.get(reverse("admin:accounts_account_changelist")).status_code == 200


def test_a_staff_key_is_shown_once_and_admins_get_none_for_others(superadmin: Client, admin: Client) -> None:
    colleague = cast.make_user(role=Role.ADMIN)
    values = {"user": colleague.pk, "name": "cron", "scopes": ["read"]}
    secrets = shown(submit(superadmin, "staffkey", "add", **values))
    assert by_staff_key(secrets["Staff key"], address=HERE).user_id == colleague.pk
    assert secrets["Staff key"] not in superadmin.get(reverse("admin:accounts_staffkey_changelist")).text

    key = StaffKey.objects.get()
    refused = admin.post(reverse("admin:accounts_staffkey_add"), values)
    assert refused.status_code == 200 and refused.context["errors"] and StaffKey.objects.count() == 1
    revoke = {"action": "revoke", "_selected_action": [str(key.pk)]}
    admin.post(reverse("admin:accounts_staffkey_changelist"), revoke)
    assert by_staff_key(secrets["Staff key"], address=HERE)
    superadmin.post(reverse("admin:accounts_staffkey_changelist"), revoke)
    with pytest.raises(Rejected):
        by_staff_key(secrets["Staff key"], address=HERE)
    deeds = AuditEntry.objects.filter(entity="staffkey").order_by("pk").values_list("action", flat=True)
    assert list(deeds) == ["create", "revoke"]
