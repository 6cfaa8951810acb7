"""A charge is wholly written or not at all."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.charging import Charge, charge, funds, lock_wallets
from billing.models import LedgerEntry
from tests.support import cast
from tests.support.money import a_charge, assert_money_is_exact, balance, charge_now, lines

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def test_a_charge_moves_the_balance_and_writes_one_line():
    account = cast.make_account(credits="10")
    item = a_charge(account, "2.5500", parts=3)
    assert charge_now(item) == set()
    (line,) = lines(account, "charge")
    assert (line.pk, line.key) == (item.ledger_id, f"chg:{item.ledger_id.hex}")
    assert (line.debit, line.credit, line.parts, line.source) == ("customer", "revenue", 3, "api")
    assert (line.amount, line.before, line.after) == (Decimal("2.55"), Decimal(10), Decimal("7.45"))
    assert balance(account) == Decimal("7.45")
    assert_money_is_exact()


def test_accounts_that_do_not_fit_are_named_and_nothing_is_written_for_them():
    rich, poor, none = cast.make_account(credits="10"), cast.make_account(credits="1"), cast.make_account(credits="0")
    refused = charge_now(a_charge(rich, "5"), a_charge(poor, "1.0001"), a_charge(none, "0.0001"))
    assert refused == {poor.pk, none.pk}
    assert [balance(account) for account in (rich, poor, none)] == [5, 1, 0]
    assert (len(lines(rich, "charge")), lines(poor, "charge"), lines(none, "charge")) == (1, [], [])
    assert_money_is_exact()


def test_several_charges_of_one_account_go_together():
    account, other = cast.make_account(credits="3"), cast.make_account(credits="3")
    assert charge_now(a_charge(account, "1"), a_charge(other, "2"), a_charge(account, "2"), a_charge(other, "2")) == {
        other.pk
    }
    assert [(line.before, line.after) for line in lines(account, "charge")] == [(3, 2), (2, 0)]
    assert (balance(account), balance(other), lines(other, "charge")) == (0, 3, [])
    assert_money_is_exact()


def test_the_last_credit_can_be_spent_and_not_one_unit_more():
    account = cast.make_account(credits="1", credit_limit="0.5")
    assert charge_now(a_charge(account, "1.5001")) == {account.pk}
    assert charge_now(a_charge(account, "1.5")) == set()
    assert charge_now(a_charge(account, "0.0001")) == {account.pk}
    assert balance(account) == Decimal("-0.5")
    assert_money_is_exact()


def test_an_unlimited_account_is_counted_but_never_refused():
    account = cast.make_account(credits="0", unlimited=True)
    assert charge_now(a_charge(account, "1000")) == set()
    assert balance(account) == -1000
    assert_money_is_exact()


def test_an_amount_of_nothing_writes_nothing():
    account = cast.make_account(credits="0")
    assert charge_now(a_charge(account, "0")) == set()
    assert lines(account) == []
    assert charge_now() == set()


@pytest.mark.parametrize("amount", ["-1", "0.00001", "NaN", "Infinity"])
def test_an_impossible_amount_is_an_error_and_changes_nothing(amount):
    account = cast.make_account(credits="10")
    with pytest.raises(ValueError, match=r"credits|negative"):
        charge_now(a_charge(account, "1"), a_charge(account, amount))
    assert (balance(account), lines(account, "charge")) == (10, [])


def test_an_account_without_a_wallet_has_nothing_to_spend():
    account = cast.Account.objects.create(name=cast.unique("bare"))
    assert funds([account.pk]) == {account.pk: 0}
    assert charge_now(a_charge(account, "1")) == {account.pk}


def test_the_same_entry_twice_is_refused_whole():
    account = cast.make_account(credits="10")
    item = a_charge(account, "1")
    charge_now(item)
    with pytest.raises(IntegrityError):
        charge_now(item)
    assert (balance(account), len(lines(account, "charge"))) == (9, 1)


def test_a_rolled_back_transaction_leaves_nothing():
    account = cast.make_account(credits="10")
    with pytest.raises(RuntimeError), transaction.atomic():
        charge([a_charge(account, "1")])
        raise RuntimeError
    assert (balance(account), lines(account, "charge")) == (10, [])


def test_funds_are_what_may_still_be_spent():
    plain = cast.make_account(credits="10")
    limited = cast.make_account(credits="0", credit_limit="2.5")
    unlimited = cast.make_account(unlimited=True)
    expected = {plain.pk: Decimal(10), limited.pk: Decimal("2.5"), unlimited.pk: None}
    assert funds([unlimited.pk, plain.pk, limited.pk]) == expected
    with transaction.atomic():
        assert lock_wallets(expected) == expected
    assert funds([]) == {}


def test_a_batch_of_many_accounts_is_two_statements(django_assert_num_queries):
    accounts = [cast.make_account(credits="1") for _ in range(20)]
    items = [a_charge(account, "1") for account in accounts]
    with transaction.atomic(), django_assert_num_queries(2):
        assert charge(items) == set()
    assert LedgerEntry.objects.filter(reason="charge").count() == 20


def test_a_charge_is_a_value():
    item = a_charge(cast.make_account(), "1")
    assert isinstance(item, Charge)
    with pytest.raises(AttributeError):
        item.amount = Decimal(2)  # type: ignore[misc]
