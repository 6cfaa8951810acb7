from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError

from accounts import services
from accounts.models import (
    Account,
    ApiClient,
    ApiKey,
    AuditEntry,
    PermissionGroup,
    Role,
    SmppClient,
    User,
)
from accounts.services import Actor
from common.clock import utc_now
from tests.support import cast

pytestmark = [pytest.mark.django_db, pytest.mark.both]
STAFF = Actor("ann", ip="203.0.113.9")


def audit() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("actor", "action", "entity"))


def texts() -> str:
    return str(list(AuditEntry.objects.values()))


def test_an_account_is_created_suspended_and_resumed_with_a_line_in_the_audit_log_each() -> None:
    account = services.create_account(name="acme", company="Acme Ltd", tps=5, actor=STAFF)
    services.suspend(account=account, actor=STAFF)
    assert not Account.objects.get(name="acme").active
    services.resume(account=account, actor=STAFF)
    assert Account.objects.get(name="acme").active
    assert audit() == [("ann", verb, "account") for verb in ("create", "suspend", "resume")]
    suspended = AuditEntry.objects.get(action="suspend")
    assert suspended.details == {"active": [True, False]}
    assert (suspended.ip, suspended.entity_id) == ("203.0.113.9", str(account.pk))


@pytest.mark.parametrize(
    "wrong", [{"name": "a b"}, {"name": ""}, {"name": "x", "ip_whitelist": ["10.0.0"]}, {"name": "x", "tps": -1}]
)
def test_a_wrong_account_is_refused_and_nothing_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        services.create_account(**wrong)
    assert not Account.objects.exists() and not AuditEntry.objects.exists()


def test_a_client_gets_a_password_that_is_kept_as_argon2_only() -> None:
    client, drawn = services.create_api_client(account=cast.make_account(), username="acme_otp", rate_limit=3)
    named, given = services.create_api_client(account=client.account, username="other", password="given-Pa55")
    assert given == "given-Pa55" and len(drawn) >= 20
    for row, plain in ((client, drawn), (named, given)):
        stored = ApiClient.objects.get(pk=row.pk).password
        assert stored.startswith("argon2$argon2id") and check_password(plain, stored)
        assert plain not in texts() and stored not in texts()
    assert client.rate_limit == 3 and not client.url_credentials


def test_a_client_without_a_customer_gets_an_account_of_its_own_name() -> None:
    client, _ = services.create_standalone_client(
        username="solo", account_fields={"company": "Solo"}, spending_cap=Decimal("5")
    )
    assert (client.account.name, client.account.company, client.spending_cap) == ("solo", "Solo", Decimal("5"))
    with pytest.raises(ValidationError):
        services.create_standalone_client(username="solo")
    assert Account.objects.count() == ApiClient.objects.count() == 1


def test_a_standalone_client_that_fails_leaves_no_account_behind() -> None:
    with pytest.raises(ValidationError):
        services.create_standalone_client(username="solo", ip_whitelist=["nonsense"])
    assert not Account.objects.exists() and not AuditEntry.objects.exists()


def test_an_smpp_password_fits_the_protocol() -> None:
    account = cast.make_account()
    client, plain = services.create_smpp_client(account=account, system_id="acme", max_binds=4)
    assert len(plain) == 8 and check_password(plain, client.password) and client.max_binds == 4
    for wrong in ("123456789", "pässword", "a\nb"):
        with pytest.raises(ValidationError):
            services.create_smpp_client(account=account, system_id="other", password=wrong)
        with pytest.raises(ValidationError):
            services.set_password(client=client, password=wrong)
    assert SmppClient.objects.count() == 1 and check_password(plain, SmppClient.objects.get().password)
    assert check_password(services.set_password(client=client), SmppClient.objects.get().password)


def test_a_key_that_was_rotated_works_for_another_day() -> None:
    client = cast.make_client(cast.make_account())
    old, _ = services.issue_key(client=client, name="shop", scopes=["read", "send"])
    new, plain = services.rotate_key(key=old, actor=STAFF)
    assert (new.name, new.scopes, new.active, new.expires_at) == ("shop", ["read", "send"], True, None)
    old.refresh_from_db()
    assert old.active and timedelta(hours=23) < old.expires_at - utc_now() <= timedelta(hours=24)
    assert ("ann", "rotate", "apikey") in audit() and plain not in texts() and new.key_hash not in texts()


def test_rotation_never_prolongs_a_key_and_revives_none() -> None:
    client = cast.make_client(cast.make_account())
    soon = utc_now() + timedelta(hours=1)
    old, _ = services.issue_key(client=client, expires_at=soon)
    services.rotate_key(key=old)
    assert ApiKey.objects.get(pk=old.pk).expires_at == soon
    services.revoke_key(key=old)
    with pytest.raises(ValidationError):
        services.rotate_key(key=old)
    assert ApiKey.objects.count() == 2


def test_a_key_with_an_unknown_scope_is_refused() -> None:
    client = cast.make_client(cast.make_account())
    with pytest.raises(ValidationError):
        services.issue_key(client=client, scopes=["send", "fly"])
    assert not ApiKey.objects.exists()


def test_enterprise_users_have_an_account_and_staff_have_none() -> None:
    account = cast.make_account()
    member = services.create_user(
        username="bob", password="long-and-Odd-7", role=Role.ENTERPRISE, account=account, actor=STAFF
    )
    admin = services.create_user(username="ann", password="long-and-Odd-7", role=Role.ADMIN)
    chief = services.create_user(username="eve", password="long-and-Odd-7", role=Role.SUPERADMIN)
    assert [(u.is_staff, u.is_superuser) for u in (member, admin, chief)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    for role, owner in ((Role.ENTERPRISE, None), (Role.ADMIN, account), (Role.SUPERADMIN, account)):
        with pytest.raises(ValidationError):
            services.create_user(username="mallory", password="long-and-Odd-7", role=role, account=owner)
    assert User.objects.count() == 3 and "argon2" not in texts()


def test_only_a_password_that_must_be_changed_may_be_weak() -> None:
    with pytest.raises(ValidationError):
        services.create_user(username="ann", password="password", role=Role.ADMIN)
    assert not User.objects.exists()
    user = services.create_user(username="ann", password="password", role=Role.ADMIN, must_change_password=True)
    assert user.must_change_password and user.check_password("password")
    services.set_user_password(user=user, password="long-and-Odd-7", must_change=False, actor=STAFF)
    user.refresh_from_db()
    assert not user.must_change_password and user.check_password("long-and-Odd-7")


def test_a_permission_group_holds_known_rights_only() -> None:
    group = services.create_permission_group(name="senders", permissions=["send_sms", "view_logs", "send_sms"])
    assert group.permissions == ["send_sms", "view_logs"]
    with pytest.raises(ValidationError):
        services.create_permission_group(name="gods", permissions=["everything"])
    assert PermissionGroup.objects.count() == 1


def test_the_audit_log_masks_secrets_and_keeps_what_is_no_address_out() -> None:
    client = cast.make_client(cast.make_account(), webhook_secret="planted-old")
    services.change(row=client, webhook_secret="planted-new", description="shop", actor=Actor("cli", ip="unix:"))
    entry = AuditEntry.objects.get()
    assert entry.details == {"webhook_secret": ["********", "********"], "description": ["", "shop"]}
    assert entry.ip is None and "planted" not in texts()
    assert ApiClient.objects.get().webhook_secret == "planted-new"
