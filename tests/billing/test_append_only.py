"""The database itself refuses to change the ledger and to break a wallet's bounds."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing.models import LedgerEntry
from common.ids import new_id
from tests.support import cast
from tests.support.money import balance

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_ledgerentry SET amount = amount + 1",
        "UPDATE billing_ledgerentry SET description = 'x'",
        "DELETE FROM billing_ledgerentry",
    ],
)
def test_the_ledger_is_append_only(statement):
    account = cast.make_account(credits="10")
    before = list(LedgerEntry.objects.values())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(LedgerEntry.objects.values()) == before
    assert balance(account) == 10


def test_a_balance_below_the_credit_limit_is_refused():
    account = cast.make_account(credits="1", credit_limit="1")
    for units in (-10_001, -20_000):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE billing_wallet SET balance = %s WHERE account_id = %s", [units, account.pk])
    assert balance(account) == 1


def test_an_entry_of_nothing_is_refused():
    account = cast.make_account(credits="1")
    entry = LedgerEntry.objects.get(account=account)
    entry.pk, entry.key, entry.amount = new_id(), "top:zero", Decimal(0)
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.save(force_insert=True)
    assert LedgerEntry.objects.count() == 1
