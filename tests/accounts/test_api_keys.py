from datetime import timedelta
from typing import Any

import pytest

from accounts import last_used, services
from accounts.credentials import SCOPES, by_key
from accounts.models import ApiKey
from common.clock import utc_now
from common.errors import Code, Rejected
from tests.support import cast

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


def code_of(key: str, address: str = HERE) -> Code:
    with pytest.raises(Rejected) as refusal:
        by_key(key, address=address)
    return refusal.value.code


def test_a_key_names_its_client_and_scopes_without_asking_the_database(django_assert_num_queries: Any) -> None:
    client = cast.make_client(cast.make_account())
    everything, reading = cast.make_key(client), cast.make_key(client, scopes=["read"])
    assert by_key(everything, address=HERE).scopes == SCOPES
    with django_assert_num_queries(0):
        caller = by_key(reading, address=HERE)
    assert caller.scopes == {"read"} and caller.client.id == client.pk and caller.key_id
    caller.require("read")
    with pytest.raises(Rejected) as refusal:
        caller.require("send")
    assert refusal.value.code == Code.FORBIDDEN


def test_unknown_revoked_and_expired_keys_hear_the_same() -> None:
    client = cast.make_client(cast.make_account())
    revoked = cast.make_key(client, active=False)
    expired = cast.make_key(client, expires_at=utc_now() - timedelta(seconds=1))
    assert {code_of(key) for key in ("httpapi_unknown", "", revoked, expired)} == {Code.INVALID_CREDENTIALS}
    assert by_key(cast.make_key(client, expires_at=utc_now() + timedelta(hours=1)), address=HERE)


def test_the_key_of_a_suspended_client_or_account_is_suspended() -> None:
    assert code_of(cast.make_key(cast.make_client(cast.make_account(), active=False))) == Code.SUSPENDED
    assert code_of(cast.make_key(cast.make_client(cast.make_account(active=False)))) == Code.SUSPENDED


def test_lists_of_key_client_and_account_must_all_admit_the_address() -> None:
    account = cast.make_account(ip_whitelist=["203.0.0.0/16"])
    client = cast.make_client(account, ip_whitelist=["203.0.113.0/24"])
    key = cast.make_key(client, ip_whitelist=["203.0.113.9"])
    assert by_key(key, address=HERE)
    assert [code_of(key, address) for address in ("203.0.113.8", "203.0.1.9", "198.51.100.9")] == [Code.FORBIDDEN] * 3


def test_wrong_keys_slow_their_address_down_and_never_a_right_key() -> None:
    key = cast.make_key(cast.make_client(cast.make_account()))
    codes = [code_of(f"httpapi_{number}") for number in range(8)]
    assert codes == [Code.INVALID_CREDENTIALS] * 5 + [Code.TOO_MANY_ATTEMPTS] * 3
    assert by_key(key, address=HERE)
    assert code_of("httpapi_x", "198.51.100.1") == Code.INVALID_CREDENTIALS


def test_an_issued_key_works_and_only_its_hash_is_kept() -> None:
    client = cast.make_client(cast.make_account())
    key, plain = services.issue_key(client=client, name="shop", scopes=["send"])
    cast.forget_snapshots()
    assert plain.startswith("httpapi_") and len(plain) == len("httpapi_") + 43
    assert key.prefix == plain[:12]
    assert plain not in str(ApiKey.objects.filter(pk=key.pk).values().get())
    assert by_key(plain, address=HERE).scopes == {"send"}


def test_the_last_use_of_key_and_client_is_written_by_the_batch() -> None:
    client = cast.make_client(cast.make_account())
    for _ in range(3):
        by_key(cast.make_key(client), address=HERE)
    assert last_used.flush_last_used() == 4
    client.refresh_from_db()
    assert client.last_used_at
    assert ApiKey.objects.filter(last_used_at__isnull=False).count() == 3


@pytest.mark.parametrize(("plain", "shown"), [(None, 12), ("0123456789abcdef", 4)])
def test_what_is_shown_of_a_key_leaves_most_of_it_secret(plain: str | None, shown: int) -> None:
    key, text = services.issue_key(client=cast.make_client(cast.make_account()), plain=plain)
    assert key.prefix == text[:shown] and len(text) >= 4 * shown
