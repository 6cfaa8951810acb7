"""A part is refunded once, whatever asks for it and how often."""

from decimal import Decimal
from uuid import uuid4

import pytest

from tests.support import cast
from tests.support.money import a_charge, a_refund, assert_money_is_exact, balance, charge_now, lines, refund_now

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def account():
    return cast.make_account(credits="10")


@pytest.fixture
def paid(account):
    item = a_charge(account, "3", parts=3)
    charge_now(item)
    return item


def test_a_refund_is_a_line_per_part_with_the_balances_around_it(account, paid):
    refunds = [a_refund(paid, "1", why="FAILED: no route left"), a_refund(paid, "0.5")]
    assert refund_now(*refunds) == {item.part_id for item in refunds}
    first, second = sorted(lines(account, "refund"), key=lambda line: line.before)
    assert {first.key, second.key} == {f"ref:{item.part_id.hex}" for item in refunds}
    assert first.reference == paid.ledger_id.hex
    assert (first.debit, first.credit) == ("revenue", "customer")
    assert (first.before, second.after) == (7, Decimal("8.5"))
    assert first.after == second.before
    assert balance(account) == Decimal("8.5")
    assert_money_is_exact()


def test_the_same_part_again_is_passed_over(account, paid):
    first, second = a_refund(paid, "1"), a_refund(paid, "1")
    assert refund_now(first) == {first.part_id}
    assert refund_now(first, second, first) == {second.part_id}
    assert refund_now(first, second) == set()
    assert (balance(account), len(lines(account, "refund"))) == (9, 2)
    assert_money_is_exact()


def test_one_part_twice_in_a_batch_is_one_refund(account, paid):
    part = uuid4()
    assert refund_now(a_refund(paid, "1", part=part), a_refund(paid, "2", part=part)) == {part}
    assert balance(account) == 8


def test_refunds_of_many_accounts_in_one_batch(account, paid):
    other = cast.make_account(credits="5")
    theirs = a_charge(other, "5")
    charge_now(theirs)
    assert len(refund_now(a_refund(theirs, "2"), a_refund(paid, "1"), a_refund(theirs, "3"))) == 3
    assert (balance(account), balance(other)) == (8, 5)
    assert_money_is_exact()


def test_nothing_to_give_back_writes_nothing(account, paid):
    assert refund_now() == set()
    assert refund_now(a_refund(paid, "0")) == set()
    assert lines(account, "refund") == []


def test_a_refund_without_its_charge_is_an_error_and_gives_nothing(account, paid):
    stranger = cast.make_account(credits="10")
    unknown = a_charge(account, "1")
    foreign = a_charge(stranger, "9")
    charge_now(foreign)
    stolen = a_refund(foreign, "1")
    for bad in (
        a_refund(unknown, "1"),
        a_refund(paid, "3.0001"),
        type(stolen)(
            part_id=stolen.part_id, account_id=account.pk, amount=stolen.amount, charge_id=foreign.ledger_id, why=""
        ),
    ):
        with pytest.raises(ValueError, match=r"charge"):
            refund_now(a_refund(paid, "1"), bad)
    with pytest.raises(ValueError, match="negative"):
        refund_now(a_refund(paid, "-1"))
    assert (balance(account), lines(account, "refund")) == (7, [])
    assert_money_is_exact()
