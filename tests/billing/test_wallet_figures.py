"""The counters of Credits & Wallet say what the ledger says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.selectors import CreditFigures, WalletUse, credit_figures, wallet_use
from billing.services import top_up
from tests.support import cast
from tests.support.money import a_charge, a_refund, charge_now, lines, refund_now

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def today():
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def account():
    account = cast.make_account(credits="0")
    top_up(account=account, amount=Decimal(10), nonce="n", actor="ada")
    paid = a_charge(account, "4.5", parts=2)
    charge_now(paid)
    refund_now(a_refund(paid, "1.5"))
    return account


def test_all_wallets_together(account, today):
    charge_now(a_charge(cast.make_account(credits="0", unlimited=True), "2"))
    cast.make_account(credits="0")
    assert credit_figures(today=today, low_below=Decimal(5)) == CreditFigures(
        total=Decimal(7), used_today=Decimal(5), added_today=Decimal(10), low=1, wallets=3, unlimited=1
    )
    tomorrow = credit_figures(today=today + timedelta(days=1), low_below=Decimal(8))
    assert (tomorrow.used_today, tomorrow.added_today, tomorrow.low) == (0, 0, 2)


def test_an_empty_gateway_has_nothing(today):
    assert credit_figures(today=today, low_below=Decimal(5)) == CreditFigures(
        Decimal(0), Decimal(0), Decimal(0), 0, 0, 0
    )


def test_use_by_account(account, today):
    other = cast.make_account(credits="0")
    tomorrow = today + timedelta(days=1)
    last = lines(account, "top_up")[0].created_at
    assert wallet_use([account.pk, other.pk], today=tomorrow, month=today) == {
        account.pk: WalletUse(Decimal(0), Decimal(3), last),
        other.pk: WalletUse(),
    }
