import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from accounts import services, snapshot
from accounts.models import ApiClient
from common.site import Snapshot
from tests.support import cast
from tests.support.waiting import wait_until


@pytest.fixture
def own_snapshot(monkeypatch: pytest.MonkeyPatch) -> Snapshot[Any]:
    """A snapshot that no other test kept."""
    own = Snapshot((snapshot.TOPIC,), snapshot._build)
    monkeypatch.setattr(snapshot, "_snapshot", own)
    return own


@pytest.mark.django_db
@pytest.mark.both
def test_everything_a_caller_presents_is_found_with_the_values_of_the_rows() -> None:
    account = cast.make_account(tps=7, daily_limit=5, ip_whitelist=["203.0.113.0/24"])
    client = cast.make_client(account, spending_cap="12.5", dlr_url="https://example.com/dlr", otp_allowed=True)
    esme = cast.make_smpp_client(account, max_binds=3)
    cast.make_key(client, "httpapi_known", scopes=["send"])
    endpoint = cast.make_endpoint(account, "https://example.com/hook", events=("dlr",))
    cast.make_endpoint(account, "https://example.com/off", active=False)
    seen = snapshot.accounts()
    owner = seen.account(account.pk)
    assert owner and (owner.name, owner.tps, owner.daily_limit, owner.active) == (account.name, 7, 5, True)
    assert [str(network) for network in owner.networks] == ["203.0.113.0/24"]
    view = seen.client(client.pk)
    assert view is seen.client_by_username(client.username) and view and view.account is owner
    assert (str(view.spending_cap), view.dlr_url, view.otp_allowed) == ("12.5000", "https://example.com/dlr", True)
    assert seen.smpp(esme.pk) is seen.smpp_by_system_id(esme.system_id)
    key = seen.key_by_hash(services.digest("httpapi_known"))
    assert key and key.client is view and key.scopes == {"send"}
    assert [found.id for found in seen.endpoints(account.pk, "dlr")] == [endpoint.pk]
    assert seen.endpoints(account.pk, "mo") == ()


@pytest.mark.django_db
def test_the_unknown_is_none() -> None:
    seen = snapshot.accounts()
    assert seen.account(-1) is seen.client(-1) is seen.smpp(-1) is None
    assert seen.client_by_username("x") is seen.key_by_hash("x") is seen.smpp_by_system_id("x") is None
    assert seen.endpoints(-1, "dlr") == ()


@pytest.mark.django_db
@pytest.mark.both
def test_a_change_is_seen_within_a_second_and_costs_one_look_until_then(django_assert_num_queries: Any) -> None:
    account = cast.make_account()
    client = cast.make_client(account)
    assert snapshot.accounts().client(client.pk).active
    with django_assert_num_queries(0):
        for _ in range(100):
            snapshot.accounts()
    begun = time.monotonic()
    services.change(row=client, active=False)
    wait_until(lambda: not snapshot.accounts().client(client.pk).active, timeout=2)
    assert time.monotonic() - begun < 1.3


@pytest.mark.django_db
def test_the_last_value_stays_while_the_database_is_down(monkeypatch: pytest.MonkeyPatch, own_snapshot: Any) -> None:
    client = cast.make_client(cast.make_account())
    monkeypatch.setattr(own_snapshot, "_max_age", 0.0)
    assert snapshot.accounts().client(client.pk)
    looks = []

    def down() -> Any:
        looks.append(1)
        raise OperationalError("the server is gone")

    services.change(row=client, description="moved on")
    monkeypatch.setattr(own_snapshot, "_build", down)
    assert snapshot.accounts().client(client.pk)
    monkeypatch.setattr(own_snapshot, "_read_versions", down)
    assert snapshot.accounts().client(client.pk)
    assert len(looks) == 2, "both looks failed, and neither was heard of"


@pytest.mark.django_db
def test_without_any_value_a_database_that_is_down_is_told(own_snapshot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Any:
        raise OperationalError("the server is gone")

    monkeypatch.setattr(own_snapshot, "_build", down)
    with pytest.raises(OperationalError):
        snapshot.accounts()


@pytest.mark.django_db
def test_a_webhook_secret_that_no_key_opens_does_not_stop_sending() -> None:
    client = cast.make_client(cast.make_account())
    ApiClient.objects.filter(pk=client.pk).update(webhook_secret="secret")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_apiclient SET webhook_secret = 'no token' WHERE id = %s", [client.pk])
    cast.forget_snapshots()
    assert snapshot.accounts().client(client.pk)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def _and_disconnect(deed: Callable[[], Any]) -> Any:
    try:
        return deed()
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
async def test_an_event_loop_reads_memory_that_a_thread_keeps_fresh(own_snapshot: Any, stop: threading.Event) -> None:
    client = await asyncio.to_thread(_and_disconnect, lambda: cast.make_client(cast.make_account()))
    keeper = await asyncio.to_thread(_and_disconnect, lambda: snapshot.keep_fresh(stop))
    try:
        assert snapshot.accounts().client(client.pk).active
        await asyncio.to_thread(_and_disconnect, lambda: services.change(row=client, active=False))
        deadline = time.monotonic() + 3
        while snapshot.accounts().client(client.pk).active:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    finally:
        stop.set()
        await asyncio.to_thread(keeper.join, 5)
    assert not keeper.is_alive()
