"""Staff top up, debit and adjust: once per form, with a reason, never beyond the limits."""

from decimal import Decimal

import pytest

from billing.models import Wallet
from billing.services import adjust, balance_of, debit, open_wallet, set_terms, top_up
from common.errors import Code, Rejected
from tests.support import cast
from tests.support.money import a_charge, assert_money_is_exact, balance, charge_now, lines

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def account():
    return cast.make_account(credits="10")


def test_a_new_wallet_is_empty_and_opened_once():
    account = cast.Account.objects.create(name=cast.unique("bare"))
    wallet = open_wallet(account=account, credit_limit=Decimal("2.5"))
    assert (wallet.balance, wallet.credit_limit, wallet.unlimited) == (0, Decimal("2.5"), False)
    assert open_wallet(account=account, unlimited=True).unlimited is False
    assert Wallet.objects.count() == 1


def test_a_top_up_says_who_and_why(account):
    entry = top_up(account=account, amount=Decimal("5.25"), nonce="n1", actor="ada", description="invoice 7")
    assert (entry.reason, entry.debit, entry.credit) == ("top_up", "top_ups", "customer")
    assert (entry.before, entry.after, entry.actor, entry.description) == (10, Decimal("15.25"), "ada", "invoice 7")
    assert balance_of(account.pk) == Decimal("15.25")
    assert_money_is_exact()


def test_a_double_click_is_one_line(account):
    first = top_up(account=account, amount=Decimal(5), nonce="n1", actor="ada")
    assert top_up(account=account, amount=Decimal(5), nonce="n1", actor="ada") == first
    assert (balance(account), len(lines(account))) == (15, 2)


def test_a_used_form_with_another_amount_is_refused(account):
    top_up(account=account, amount=Decimal(5), nonce="n1", actor="ada")
    with pytest.raises(Rejected, match="idempotency_conflict"):
        top_up(account=account, amount=Decimal(6), nonce="n1", actor="ada")
    assert (balance(account), len(lines(account))) == (15, 2)


def test_the_same_nonce_may_come_from_another_form_or_account(account):
    other = cast.make_account(credits="0")
    for to in (account, other):
        top_up(account=to, amount=Decimal(5), nonce="n1", actor="ada")
    debit(account=account, amount=Decimal(5), nonce="n1", actor="ada")
    assert (balance(account), balance(other)) == (10, 5)


def test_a_debit_takes_what_is_there_and_no_more(account):
    entry = debit(account=account, amount=Decimal(10), nonce="a", actor="ada")
    assert (entry.debit, entry.credit, entry.after) == ("customer", "top_ups", 0)
    with pytest.raises(Rejected) as refusal:
        debit(account=account, amount=Decimal("0.0001"), nonce="b", actor="ada")
    assert refusal.value.code is Code.NO_CREDIT
    assert (balance(account), len(lines(account))) == (0, 2)
    assert_money_is_exact()


def test_an_adjustment_goes_both_ways(account):
    up = adjust(account=account, amount=Decimal("1.5"), nonce="a", actor="ada", description="goodwill")
    down = adjust(account=account, amount=Decimal("-2"), nonce="b", actor="ada", description="miscounted")
    assert (up.credit, up.debit, down.credit, down.debit) == ("customer", "adjustments", "adjustments", "customer")
    assert balance(account) == Decimal("9.5")
    with pytest.raises(Rejected, match="no_credit"):
        adjust(account=account, amount=Decimal(-10), nonce="c", actor="ada", description="too much")
    assert balance(account) == Decimal("9.5")
    assert_money_is_exact()


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "-Infinity", "0.00001", "100000000000000", "1e99"])
def test_an_amount_that_is_none_is_refused_and_nothing_is_written(account, amount):
    for deed in (top_up, debit):
        with pytest.raises(Rejected) as refusal:
            deed(account=account, amount=Decimal(amount), nonce="n", actor="ada")
        assert refusal.value.code is Code.INVALID_VALUE
    assert (balance(account), len(lines(account))) == (10, 1)


@pytest.mark.parametrize("amount", ["0", "-0", "NaN", "-Infinity", "Infinity", "0.00001", "-0.00001", "-1e99"])
def test_an_adjustment_that_is_none_is_refused(account, amount):
    with pytest.raises(Rejected, match="invalid_value"):
        adjust(account=account, amount=Decimal(amount), nonce="n", actor="ada", description="x")
    assert (balance(account), len(lines(account))) == (10, 1)


def test_a_balance_never_passes_the_limit_of_its_column(account):
    with pytest.raises(Rejected, match="limit"):
        top_up(account=account, amount=Decimal("99999999999999.9999"), nonce="n", actor="ada")
    assert balance(account) == 10


@pytest.mark.parametrize("nonce", ["", "x" * 51])
def test_a_nonce_is_asked_for(account, nonce):
    with pytest.raises(Rejected, match="nonce"):
        top_up(account=account, amount=Decimal(1), nonce=nonce, actor="ada")
    assert balance(account) == 10


def test_without_a_wallet_there_is_nothing_to_move():
    account = cast.Account.objects.create(name=cast.unique("bare"))
    for deed in (
        lambda: top_up(account=account, amount=Decimal(1), nonce="n", actor="a"),
        lambda: balance_of(account.pk),
    ):
        with pytest.raises(Rejected, match="not_found"):
            deed()
    assert lines(account) == []


def test_terms_can_be_widened_and_not_cut_below_what_was_used(account):
    set_terms(account=account, unlimited=False, credit_limit=Decimal(5))
    charge_now(a_charge(account, "14"))
    with pytest.raises(Rejected, match="credit_limit"):
        set_terms(account=account, unlimited=False, credit_limit=Decimal("3.9999"))
    set_terms(account=account, unlimited=False, credit_limit=Decimal(4))
    set_terms(account=account, unlimited=True, credit_limit=Decimal(0))
    charge_now(a_charge(account, "1000"))
    with pytest.raises(Rejected, match="credit_limit"):
        set_terms(account=account, unlimited=False, credit_limit=Decimal(4))
    assert Wallet.objects.get(account=account).unlimited is True
    assert_money_is_exact()
