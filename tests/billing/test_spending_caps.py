"""A client with a spending cap uses no more of its account's credits than that."""

from decimal import Decimal

import pytest

from billing.charging import spendable
from billing.models import ClientSpending
from tests.support import cast
from tests.support.money import a_charge, a_refund, assert_money_is_exact, balance, charge_now, lines, refund_now

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def account():
    return cast.make_account(credits="100")


def test_a_client_spends_up_to_its_cap_and_no_further(account):
    client = cast.make_client(account, spending_cap=Decimal(3))
    assert charge_now(a_charge(account, "2", client=client)) == set()
    assert spendable([client.pk]) == {client.pk: Decimal(1)}
    assert charge_now(a_charge(account, "1.0001", client=client)) == {account.pk}
    assert charge_now(a_charge(account, "1", client=client)) == set()
    assert (balance(account), ClientSpending.objects.get().spent) == (97, 3)
    assert_money_is_exact()


def test_two_charges_of_a_client_in_a_batch_count_together(account):
    client = cast.make_client(account, spending_cap=Decimal(3))
    assert charge_now(a_charge(account, "2", client=client), a_charge(account, "2", client=client)) == {account.pk}
    assert (balance(account), spendable([client.pk]), lines(account, "charge")) == (100, {client.pk: Decimal(3)}, [])


def test_a_refusal_for_want_of_credits_leaves_the_cap_untouched():
    poor = cast.make_account(credits="1")
    client = cast.make_client(poor, spending_cap=Decimal(10))
    assert charge_now(a_charge(poor, "2", client=client)) == {poor.pk}
    assert spendable([client.pk]) == {client.pk: Decimal(10)}


def test_a_client_over_its_cap_stops_no_other_account(account):
    other = cast.make_account(credits="5")
    client = cast.make_client(account, spending_cap=Decimal(1))
    assert charge_now(a_charge(account, "2", client=client), a_charge(other, "2")) == {account.pk}
    assert (balance(account), balance(other)) == (100, 3)


def test_a_client_without_a_cap_is_not_counted(account):
    client = cast.make_client(account)
    charge_now(a_charge(account, "2", client=client))
    assert spendable([client.pk]) == {}
    assert not ClientSpending.objects.exists()


def test_a_refund_frees_the_cap_again(account):
    client = cast.make_client(account, spending_cap=Decimal(3))
    item = a_charge(account, "3", client=client)
    charge_now(item)
    back = a_refund(item, "1")
    refund_now(back)
    refund_now(back)
    assert spendable([client.pk]) == {client.pk: Decimal(1)}
    assert lines(account, "refund")[0].api_client_id == client.pk
