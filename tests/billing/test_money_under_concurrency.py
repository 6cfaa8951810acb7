"""Many at once on one wallet: exactly what it holds is spent, and a part comes back once."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections, transaction

from billing.charging import charge
from billing.services import top_up
from tests.support import cast
from tests.support.money import (
    a_charge,
    a_refund,
    assert_money_is_exact,
    balance,
    charge_now,
    lines,
    refund_now,
)

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]
THREADS = 8


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Results of `work(0)` … `work(count - 1)`, all started together; errors are raised."""
    gate, results, errors = threading.Barrier(count), [None] * count, []

    def run(number: int) -> None:
        try:
            gate.wait(10)
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]
    return results


def test_a_drained_wallet_accepts_exactly_what_it_holds():
    account = cast.make_account(credits="50.3", credit_limit="0.5")
    price = "0.55"

    def drain(_: int) -> int:
        return sum(charge_now(a_charge(account, price)) == set() for _ in range(25))

    accepted = sum(at_once(drain))
    assert accepted == 92  # floor((50.3 + 0.5) / 0.55), of 200 tries
    assert balance(account) == Decimal("50.3") - accepted * Decimal(price)
    assert len(lines(account, "charge")) == accepted
    assert_money_is_exact()


def test_batches_over_the_same_wallets_in_any_order_meet_without_deadlock():
    accounts = [cast.make_account(credits="1000") for _ in range(5)]

    def spend(number: int) -> None:
        turned = accounts[number % 5 :] + accounts[: number % 5]
        for _ in range(20):
            assert charge_now(*(a_charge(account, "1") for account in turned)) == set()

    at_once(spend)
    assert [balance(account) for account in accounts] == [1000 - THREADS * 20] * 5
    assert_money_is_exact()


def test_before_and_after_form_one_unbroken_chain():
    account = cast.make_account(credits="100")
    at_once(lambda _: [charge_now(a_charge(account, "1")) for _ in range(5)])
    befores = sorted(line.before for line in lines(account, "charge"))
    assert befores == [Decimal(100 - n) for n in reversed(range(THREADS * 5))]


def test_a_part_refunded_by_all_at_once_comes_back_once():
    account = cast.make_account(credits="100")
    paid = a_charge(account, "10", parts=10)
    charge_now(paid)
    refunds = [a_refund(paid, "1") for _ in range(10)]
    won = at_once(lambda number: refund_now(*(refunds if number % 2 else reversed(refunds))))
    assert sorted(part for parts in won for part in parts) == sorted(item.part_id for item in refunds)
    assert (balance(account), len(lines(account, "refund"))) == (100, 10)
    assert_money_is_exact()


def test_charges_and_refunds_of_capped_clients_meet_without_deadlock():
    account = cast.make_account(credits="1000")
    clients = [cast.make_client(account, spending_cap=Decimal(50)) for _ in range(2)]

    def work(number: int) -> Decimal:
        kept = Decimal(0)
        for round_ in range(15):
            item = a_charge(account, "1", client=clients[(number + round_) % 2])
            if charge_now(item) == set():
                kept += 1 - len(refund_now(a_refund(item, "1"))) if round_ % 2 else 1
        return kept

    kept = sum(at_once(work))
    assert balance(account) == 1000 - kept
    assert 0 < kept <= 100
    assert sum(client.spending.spent for client in clients) == 1000 - balance(account)
    assert_money_is_exact()


def test_a_form_sent_by_all_at_once_is_one_line():
    account = cast.make_account(credits="0")
    entries = at_once(lambda _: top_up(account=account, amount=Decimal(5), nonce="n", actor="ada").pk)
    assert len(set(entries)) == 1
    assert (balance(account), len(lines(account))) == (5, 1)


def test_a_charge_that_waited_for_another_looks_at_the_balance_again():
    account = cast.make_account(credits="1")
    held, go = threading.Event(), threading.Event()

    def spend(number: int) -> set[int]:
        if number:
            held.wait(10)
            threading.Timer(0.2, go.set).start()
            return charge_now(a_charge(account, "1"))
        with transaction.atomic():
            refused = charge([a_charge(account, "1")])
            held.set()
            go.wait(10)
        return refused

    assert at_once(spend, 2) == [set(), {account.pk}]
    assert (balance(account), len(lines(account, "charge"))) == (0, 1)
