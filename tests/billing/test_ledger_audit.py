"""The ledger's own audit finds each kind of contradiction, and nothing in books that are in order."""

import pytest
from django.db import connection

from billing.audit import ledger_figures, ledger_findings, patience
from tests.support import cast
from tests.support.ledger import tampering
from tests.support.money import a_charge, a_refund, assert_money_is_exact, charge_now, refund_now

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def books():
    """Two accounts, one charge and one refund each."""
    for name in ("alpha", "beta"):
        account = cast.make_account(name, credits="10", credit_limit="1")
        item = a_charge(account, "4", parts=4)
        charge_now(item)
        refund_now(a_refund(item, "1"))


def found() -> set[str]:
    return {finding.invariant for finding in ledger_findings()}


def test_books_in_order_have_no_findings_and_add_up(books):
    assert_money_is_exact()
    assert ledger_figures() == {
        "entries": 6,
        "wallets": 2,
        "balances": "14.0000",
        "books": {"customer": "14.0000", "revenue": "6.0000", "top_ups": "-20.0000"},
    }


def test_empty_books_are_in_order():
    assert_money_is_exact()
    assert ledger_figures()["balances"] == "0.0000"


OF_ALPHA = "(SELECT id FROM accounts_account WHERE name = 'alpha')"


@pytest.mark.parametrize(
    ("statement", "invariants"),
    [
        (f"UPDATE billing_wallet SET balance = balance + 1 WHERE account_id = {OF_ALPHA}", {"I1", "I2"}),
        (f"UPDATE billing_wallet SET balance = balance - 1 WHERE account_id = {OF_ALPHA}", {"I1", "I2"}),
        ("UPDATE billing_ledgerentry SET amount = amount + 1 WHERE reason = 'charge'", {"I1", "I2"}),
        ("DELETE FROM billing_ledgerentry WHERE reason = 'refund'", {"I1", "I2"}),
        ("DELETE FROM billing_ledgerentry WHERE reason = 'charge'", {"I1", "I2", "I5"}),
        ("UPDATE billing_ledgerentry SET credit = 'adjustments' WHERE reason = 'charge'", {"I1"}),
        ("UPDATE billing_ledgerentry SET credit = 'elsewhere' WHERE reason = 'charge'", {"I1"}),
        ("UPDATE billing_ledgerentry SET debit = 'revenue' WHERE reason = 'charge'", {"I1", "I2"}),
        ('UPDATE billing_ledgerentry SET "before" = "before" + 1 WHERE reason = \'charge\'', {"I2"}),
        ('UPDATE billing_ledgerentry SET "after" = "after" - 1 WHERE reason = \'refund\'', {"I2"}),
        # from one customer to the other: the books still add up
        (f"UPDATE billing_ledgerentry SET account_id = {OF_ALPHA} WHERE reason = 'top_up'", {"I2"}),
        (f"UPDATE billing_ledgerentry SET account_id = {OF_ALPHA} WHERE reason = 'refund'", {"I2", "I5"}),
        ("UPDATE billing_ledgerentry SET reference = 'nothing' WHERE reason = 'refund'", {"I5"}),
        (
            'UPDATE billing_ledgerentry SET amount = 50000, "after" = "before" + 50000 WHERE reason = \'refund\'',
            {"I1", "I2", "I5"},
        ),
    ],
)
def test_a_tampered_ledger_is_found(books, statement, invariants):
    with tampering() as cursor:
        cursor.execute(statement)
    assert found() == invariants


def test_refunds_that_together_pass_their_charge_are_found(books):
    item = a_charge(cast.make_account(credits="10"), "4", parts=4)
    charge_now(item)
    refund_now(a_refund(item, "4"), a_refund(item, "0.0001"))
    assert [str(finding) for finding in ledger_findings()] == [
        f"I5 charge {item.ledger_id.hex}: refunds of 4.0001 for 4.0000"
    ]


def test_a_balance_below_its_limit_is_found_even_when_the_constraint_is_gone(books):
    on_postgresql = connection.vendor == "postgresql"
    drop = "ALTER TABLE billing_wallet DROP CONSTRAINT never_below_the_credit_limit"
    with tampering() as cursor:
        cursor.execute(drop if on_postgresql else "PRAGMA ignore_check_constraints = ON")
        cursor.execute("UPDATE billing_wallet SET balance = -10001 WHERE NOT unlimited")
        if not on_postgresql:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
    assert found() == {"I1", "I2", "I3"}


def test_transfers_without_a_wallet_are_found(books):
    account = cast.make_account(credits="5")
    with tampering() as cursor:
        cursor.execute("DELETE FROM billing_wallet WHERE account_id = %s", [account.pk])
    assert found() == {"I2"}


def test_one_line_names_the_account_and_both_sums(books):
    with tampering() as cursor:
        cursor.execute(
            "UPDATE billing_wallet SET balance = 0 WHERE account_id = (SELECT MAX(account_id) FROM billing_wallet)"
        )
    account = cast.Account.objects.get(name="beta")
    assert f"I2 account {account.pk}: balance 0.0000, transfers 7.0000" in [str(item) for item in ledger_findings()]


def test_the_audit_may_take_its_time_and_puts_the_limit_back():
    if connection.vendor != "postgresql":
        with patience():
            return
    with connection.cursor() as cursor:
        with patience(60):
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("1min",)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("5s",)
