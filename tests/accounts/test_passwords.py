"""User name and password of HTTP API accounts."""

import asyncio
import statistics
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from accounts import services
from accounts.credentials import SCOPES, BindGate, PasswordGate
from accounts.guessing import GuessDelay
from accounts.models import ApiClient
from accounts.verification import RightAnswers, VerificationLine
from common.errors import Code, Rejected
from tests.accounts.conftest import Clock
from tests.support import cast

pytestmark = pytest.mark.django_db
HERE = "203.0.113.9"


def ask(gate: PasswordGate, name: str, password: str = cast.PASSWORD, **more: Any) -> Any:
    return gate.verify_sync(name, password, **{"address": HERE, "in_url": False, **more})


def code_of(gate: PasswordGate, name: str, password: str = cast.PASSWORD, **more: Any) -> Code:
    with pytest.raises(Rejected) as refusal:
        ask(gate, name, password, **more)
    return refusal.value.code


def test_the_right_password_names_account_and_client_with_all_scopes(password_gate: PasswordGate) -> None:
    client = cast.make_client(cast.make_account())
    caller = ask(password_gate, client.username)
    assert (caller.client.id, caller.account.id) == (client.pk, client.account_id)
    assert caller.scopes == SCOPES and caller.key_id is None


async def test_an_event_loop_may_ask_and_is_not_held_up(
    password_gate: PasswordGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    monkeypatch.setattr(
        "accounts.verification.check_password",
        lambda *_: bool(threads.append(threading.current_thread().name)) or True,
    )
    view = _view(1, "acme")
    monkeypatch.setattr("accounts.credentials.accounts", lambda: _Lookup(view))
    caller = await password_gate.verify("acme", "right", address=HERE, in_url=False)
    assert caller.client is view
    assert threads and all(name.startswith("passwords") for name in threads)


@pytest.mark.parametrize("password", ["wrong", "", cast.PASSWORD + " ", "\ud800", "x" * 10_000])
def test_a_wrong_password_and_an_unknown_user_hear_the_same(password_gate: PasswordGate, password: str) -> None:
    client = cast.make_client(cast.make_account())
    words = []
    for name in (client.username, "nobody", "no\0body"):
        with pytest.raises(Rejected) as refusal:
            ask(password_gate, name, password)
        words.append((refusal.value.code, refusal.value.message))
    assert set(words) == {(Code.INVALID_CREDENTIALS, "Invalid credentials")}


def test_an_unknown_user_costs_one_hash_like_a_wrong_password(
    password_gate: PasswordGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast.make_client(cast.make_account())
    hashed = []

    def counted(password: str, encoded: str) -> bool:
        hashed.append(encoded.split("$")[:4])  # algorithm and cost, not the salt
        return False

    monkeypatch.setattr("accounts.verification.check_password", counted)
    for name in (client.username, "nobody"):
        code_of(password_gate, name, "wrong")
    assert len(hashed) == 2 and hashed[0] == hashed[1]


def test_time_does_not_tell_a_known_from_an_unknown_user(line: VerificationLine) -> None:
    """Medians of interleaved samples with the test's cheap hash, which would show a missing hash clearly."""
    stored, samples = make_password("right"), {True: [], False: []}
    for _ in range(150):
        for known in (True, False):
            begun = time.perf_counter()
            line.begin("wrong", stored if known else None).result(5)
            samples[known].append(time.perf_counter() - begun)
    known, unknown = (statistics.median(samples[kind]) for kind in (True, False))
    assert abs(known - unknown) < 0.25 * known


def test_suspension_is_told_only_to_who_knows_the_password(password_gate: PasswordGate) -> None:
    asleep = cast.make_client(cast.make_account(), active=False)
    orphan = cast.make_client(cast.make_account(active=False))
    for client in (asleep, orphan):
        assert code_of(password_gate, client.username, "wrong") == Code.INVALID_CREDENTIALS
        assert code_of(password_gate, client.username) == Code.SUSPENDED
        assert code_of(password_gate, client.username) == Code.SUSPENDED  # from memory


def test_addresses_outside_the_list_of_client_or_account_are_forbidden(password_gate: PasswordGate) -> None:
    account = cast.make_account(ip_whitelist=["203.0.113.0/24"])
    client = cast.make_client(account, ip_whitelist=["203.0.113.9"])
    assert ask(password_gate, client.username)
    for address in ("203.0.113.10", "198.51.100.1"):
        with pytest.raises(Rejected) as refusal:
            ask(password_gate, client.username, address=address)
        assert (refusal.value.code, refusal.value.message) == (Code.FORBIDDEN, "address not allowed")
    assert code_of(password_gate, client.username, "wrong", address="198.51.100.1") == Code.INVALID_CREDENTIALS


def test_credentials_in_the_url_count_only_where_the_client_allows_them(password_gate: PasswordGate) -> None:
    closed = cast.make_client(cast.make_account())
    opened = cast.make_client(cast.make_account(), url_credentials=True)
    assert ask(password_gate, closed.username)  # now in memory, and refused in the URL all the same
    with pytest.raises(Rejected) as refusal:
        ask(password_gate, closed.username, in_url=True)
    assert (refusal.value.code, refusal.value.message) == (Code.INVALID_CREDENTIALS, "Invalid credentials")
    assert password_gate.known(closed.username, cast.PASSWORD, address=HERE, in_url=True) is None
    assert ask(password_gate, opened.username, in_url=True)


def test_a_panel_login_is_no_credential_of_the_api(password_gate: PasswordGate) -> None:
    user = cast.make_user(cast.make_account())
    assert code_of(password_gate, user.username) == Code.INVALID_CREDENTIALS


def test_a_right_password_is_remembered_for_a_minute_without_hashing(
    password_gate: PasswordGate, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast.make_client(cast.make_account())
    assert password_gate.known(client.username, cast.PASSWORD, address=HERE, in_url=False) is None
    ask(password_gate, client.username)
    monkeypatch.setattr("accounts.verification.check_password", None)  # a call would be an error
    clock.forward(59)
    assert ask(password_gate, client.username).client.id == client.pk
    assert password_gate.known(client.username, "wrong", address=HERE, in_url=False) is None
    clock.forward(2)
    assert password_gate.known(client.username, cast.PASSWORD, address=HERE, in_url=False) is None


def test_a_changed_password_ends_the_former_one_at_once(password_gate: PasswordGate) -> None:
    client = cast.make_client(cast.make_account())
    ask(password_gate, client.username)
    services.set_password(client=client, password="another-Pa55")
    cast.forget_snapshots()
    assert code_of(password_gate, client.username) == Code.INVALID_CREDENTIALS
    assert ask(password_gate, client.username, "another-Pa55")


def test_the_memory_of_right_passwords_is_bounded_and_holds_no_password() -> None:
    right = RightAnswers(capacity=10)
    for number in range(50):
        right.remember("hash", f"password {number}")
    assert len(right) == 10
    assert not right.knows("hash", "password 1") and right.knows("hash", "password 49")
    assert not RightAnswers().knows("hash", "password 49")
    assert "password 49" not in repr(vars(right))


def test_guessing_gets_slow_and_the_known_customer_still_comes_in(password_gate: PasswordGate, clock: Clock) -> None:
    client = cast.make_client(cast.make_account())
    ask(password_gate, client.username)
    tried, begun = 0, clock.now
    while tried < 60:  # from the same network as the customer
        with pytest.raises(Rejected) as refusal:
            ask(password_gate, f"victim{tried}", "guess")
        if refusal.value.code == Code.TOO_MANY_ATTEMPTS:
            assert refusal.value.retry_after
            clock.forward(refusal.value.retry_after)
        else:
            tried += 1
    assert tried / (clock.now - begun) < 2  # reliability S4
    assert code_of(password_gate, "nobody") == Code.TOO_MANY_ATTEMPTS
    assert ask(password_gate, client.username), "expired from memory, yet known from here"


def test_guesses_at_a_name_from_elsewhere_do_not_lock_its_owner_out(password_gate: PasswordGate, clock: Clock) -> None:
    client = cast.make_client(cast.make_account())
    ask(password_gate, client.username)
    for number in range(20):
        with pytest.raises(Rejected):
            ask(password_gate, client.username, "guess", address=f"198.51.100.{number}")
    assert code_of(password_gate, client.username, "guess", address="192.0.2.1") == Code.TOO_MANY_ATTEMPTS
    assert ask(password_gate, client.username), "in memory"
    clock.forward(61)
    assert password_gate.known(client.username, cast.PASSWORD, address=HERE, in_url=False) is None
    assert ask(password_gate, client.username), "verified anew from the address it always comes from"


def test_guesses_from_the_customers_own_address_are_slow_too(password_gate: PasswordGate) -> None:
    client = cast.make_client(cast.make_account())
    ask(password_gate, client.username)
    codes = [code_of(password_gate, client.username, "guess") for _ in range(7)]
    assert codes == [Code.INVALID_CREDENTIALS] * 5 + [Code.TOO_MANY_ATTEMPTS] * 2


def test_a_success_does_not_clear_the_address(password_gate: PasswordGate) -> None:
    client = cast.make_client(cast.make_account())
    for number in range(4):
        code_of(password_gate, f"victim{number}", "guess")
    ask(password_gate, client.username)
    code_of(password_gate, "victim5", "guess")
    assert code_of(password_gate, "victim6", "guess") == Code.TOO_MANY_ATTEMPTS


class _Lookup:
    def __init__(self, *views: Any) -> None:
        self._views = {view.username: view for view in views}

    def client_by_username(self, name: str) -> Any:
        return self._views.get(name)


def _view(number: int, name: str) -> Any:
    from types import SimpleNamespace

    account = SimpleNamespace(id=number, active=True, networks=())
    return SimpleNamespace(
        id=number,
        account=account,
        username=name,
        active=True,
        networks=(),
        url_credentials=False,
        password_hash=f"hash of {name}",
    )


async def test_beyond_the_line_of_32_who_comes_is_told_to_wait_a_second(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, begun = threading.Event(), []

    def slow(password: str, encoded: str) -> bool:
        begun.append(password)
        return hold.wait(10)

    line = VerificationLine(line=32)
    gate = PasswordGate(verification=line, delay=GuessDelay(clock=clock), clock=clock)
    monkeypatch.setattr("accounts.verification.check_password", slow)
    monkeypatch.setattr("accounts.credentials.accounts", lambda: _Lookup(*(_view(n, f"user{n}") for n in range(40))))
    try:
        tasks = [
            asyncio.create_task(gate.verify(f"user{n}", "right", address=f"192.0.2.{n}", in_url=False))
            for n in range(33)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Rejected) as refusal:
            await gate.verify("user34", "right", address="192.0.2.34", in_url=False)
        assert (refusal.value.code, refusal.value.retry_after) == (Code.TOO_MANY_ATTEMPTS, 1.0)
        hold.set()
        callers = await asyncio.gather(*tasks)
        assert [caller.client.id for caller in callers] == list(range(33))
        assert await gate.verify("user34", "right", address="192.0.2.34", in_url=False)
        assert len(begun) == 34, "the one that was told to wait cost nothing"
    finally:
        hold.set()
        line.close()


async def test_a_caller_who_gives_up_gives_his_place_back(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    line = VerificationLine(line=1)
    gate = PasswordGate(verification=line, delay=GuessDelay(clock=clock), clock=clock)
    monkeypatch.setattr("accounts.verification.check_password", lambda *_: hold.wait(10))
    monkeypatch.setattr("accounts.credentials.accounts", lambda: _Lookup(_view(1, "acme")))
    try:
        held, gone = (
            asyncio.create_task(gate.verify("acme", f"right{n}", address=HERE, in_url=False)) for n in range(2)
        )
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        third = asyncio.create_task(gate.verify("acme", "right3", address=HERE, in_url=False))
        await asyncio.sleep(0)
        hold.set()
        assert (await third).client.username == (await held).client.username == "acme"
    finally:
        hold.set()
        line.close()


def test_an_smpp_client_binds_with_its_own_password_only(clock: Clock, line: VerificationLine) -> None:
    account = cast.make_account()
    esme = cast.make_smpp_client(account, ip_whitelist=["203.0.113.0/24"])
    gate = BindGate(verification=line, delay=GuessDelay(clock=clock), clock=clock)

    def bind(password: str = cast.SMPP_PASSWORD, address: str = HERE, name: str = esme.system_id) -> Any:
        cast.forget_snapshots()
        from accounts.snapshot import accounts

        accounts()  # warm: the loop below may not ask the database
        return asyncio.run(gate.verify(name, password, address=address))

    assert bind().id == esme.pk
    for wrong, code in (
        ({"password": "wrong"}, Code.INVALID_CREDENTIALS),
        ({"name": "nobody"}, Code.INVALID_CREDENTIALS),
        ({"name": cast.make_client(account).username}, Code.INVALID_CREDENTIALS),
        ({"address": "198.51.100.1"}, Code.FORBIDDEN),
    ):
        with pytest.raises(Rejected) as refusal:
            bind(**wrong)
        assert refusal.value.code == code
    services.suspend(account=account)
    with pytest.raises(Rejected) as refusal:
        bind()
    assert refusal.value.code == Code.SUSPENDED


def test_the_last_use_is_written_by_the_batch_at_most_once_a_minute(
    password_gate: PasswordGate, clock: Clock, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    from accounts import last_used
    from common.clock import utc_now

    noted = last_used.LastUsed(ApiClient, clock=clock)
    monkeypatch.setattr(last_used, "clients", noted)
    client = cast.make_client(cast.make_account())
    ask(password_gate, client.username)
    with django_assert_num_queries(0):
        ask(password_gate, client.username)
    assert ApiClient.objects.get(pk=client.pk).last_used_at is None
    assert last_used.flush_last_used() == 1
    first = ApiClient.objects.get(pk=client.pk).last_used_at
    assert first and utc_now() - first < timedelta(minutes=1)
    ask(password_gate, client.username)
    clock.forward(59)
    assert last_used.flush_last_used() == 0
    clock.forward(2)
    assert last_used.flush_last_used() == 1
    assert ApiClient.objects.get(pk=client.pk).last_used_at > first
    assert last_used.flush_last_used() == 0
