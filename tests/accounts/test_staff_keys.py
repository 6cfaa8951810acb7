"""Keys of staff: shown once, bound to a person, and never worth more than that person and their scopes."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts import last_used
from accounts.credentials import by_key
from accounts.models import AuditEntry, Role, StaffKey
from accounts.staff_keys import by_staff_key, issue_staff_key, revoke_staff_key
from common.clock import utc_now
from common.errors import Code, Rejected
from tests.support import cast

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


def code_of(key: str, address: str = HERE) -> Code:
    with pytest.raises(Rejected) as refusal:
        by_staff_key(key, address=address)
    return refusal.value.code


def issued(**fields: Any) -> tuple[StaffKey, str]:
    return issue_staff_key(**{"user": cast.make_user(role=Role.ADMIN), "scopes": ["read"], **fields})


def test_a_key_names_its_person_and_scopes_and_only_its_hash_is_kept() -> None:
    key, plain = issued(scopes=["read", "operate"])
    caller = by_staff_key(plain, address=HERE)
    assert (caller.user_id, caller.scopes, caller.actor.ip) == (key.user_id, {"read", "operate"}, HERE)
    assert plain.startswith("staff_") and len(plain) == len("staff_") + 43 and key.prefix == plain[:12]
    assert plain not in str(StaffKey.objects.values().get()) and plain not in str(AuditEntry.objects.values().get())


def test_a_key_that_may_look_may_not_operate() -> None:
    caller = by_staff_key(issued(scopes=["read"])[1], address=HERE)
    caller.require("read")
    with pytest.raises(Rejected) as refusal:
        caller.require("operate")
    assert refusal.value.code == Code.FORBIDDEN


def test_revoked_expired_and_unknown_keys_hear_the_same_at_once() -> None:
    key, revoked = issued()
    assert by_staff_key(revoked, address=HERE)
    revoke_staff_key(key=key)
    expired = issued(expires_at=utc_now() - timedelta(seconds=1))[1]
    assert {code_of(one) for one in (revoked, expired, "staff_unknown", "")} == {Code.INVALID_CREDENTIALS}
    assert AuditEntry.objects.filter(action="revoke", entity="staffkey").exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"must_change_password": True}, {"role": Role.ENTERPRISE}])
def test_a_key_ends_with_the_rights_of_its_person(change: dict[str, Any]) -> None:
    key, plain = issued()
    if change.get("role"):
        change = {**change, "account": cast.make_account()}
    for name, value in change.items():
        setattr(key.user, name, value)
    key.user.save()
    assert code_of(plain) == Code.INVALID_CREDENTIALS


def test_its_own_list_must_admit_the_address() -> None:
    plain = issued(ip_whitelist=["203.0.113.0/24"])[1]
    assert by_staff_key(plain, address=HERE)
    assert code_of(plain, "198.51.100.1") == Code.FORBIDDEN


def test_wrong_keys_slow_their_address_down_and_never_a_right_key() -> None:
    plain = issued()[1]
    codes = [code_of(f"staff_{number}") for number in range(8)]
    assert codes == [Code.INVALID_CREDENTIALS] * 5 + [Code.TOO_MANY_ATTEMPTS] * 3
    assert by_staff_key(plain, address=HERE)


def test_neither_kind_of_key_is_one_of_the_other_kind() -> None:
    customers = cast.make_key(cast.make_client(cast.make_account()))
    assert code_of(customers) == Code.INVALID_CREDENTIALS
    with pytest.raises(Rejected):
        by_key(issued()[1], address=HERE)


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["root"]}, {"ip_whitelist": ["10.0.0"]}])
def test_a_wrong_key_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        issued(**wrong)
    assert not StaffKey.objects.exists() and not AuditEntry.objects.exists()


def test_customers_users_have_no_staff_keys() -> None:
    with pytest.raises(ValidationError):
        issued(user=cast.make_user(cast.make_account()))
    assert not StaffKey.objects.exists()


def test_its_last_use_is_written_by_the_batch() -> None:
    by_staff_key(issued()[1], address=HERE)
    assert last_used.flush_last_used() == 1
    assert StaffKey.objects.get().last_used_at


def told(*words: str) -> Any:
    out = StringIO()
    call_command("staff_key", *words, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_command_issues_lists_and_revokes() -> None:
    user = cast.make_user()
    [made] = told("create", user.username, "--scope", "operate", "--ip", "203.0.113.0/24", "--name", "cron")
    assert by_staff_key(made["key"], address=HERE).scopes == {"operate"}
    assert (key := StaffKey.objects.get()).expires_at and key.expires_at > utc_now() + timedelta(days=89)
    [seen] = told("list")
    assert seen["prefix"] == key.prefix and made["key"] not in str(seen) and seen["state"] == "active"
    assert told("revoke", key.prefix)[0]["state"] == "off"
    assert code_of(made["key"]) == Code.INVALID_CREDENTIALS


@pytest.mark.parametrize("words", [("create", "nobody"), ("revoke", "staff_x"), ("create", "customer", "--days", "1")])
def test_the_command_says_in_one_line_what_it_cannot_do(words: tuple[str, ...]) -> None:
    cast.make_user(cast.make_account(), username="customer")
    with pytest.raises(CommandError):
        told(*words)
    assert not StaffKey.objects.exists()


@pytest.mark.parametrize("days", ["-1", "36501", "3000000", "999999999999"])
def test_a_number_of_days_that_no_calendar_has_is_one_clear_line_and_no_key(days: str) -> None:
    with pytest.raises(CommandError, match="--days"):
        told("create", cast.make_user().username, "--days", days)
    assert not StaffKey.objects.exists()
