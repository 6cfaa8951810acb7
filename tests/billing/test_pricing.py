"""A part costs 1 credit or the route's rate, to four decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import unit_price


@pytest.mark.parametrize(
    ("mode", "rate", "price"),
    [
        ("flat_credit", "0.5500", "1.0000"),
        ("flat_credit", "0", "1.0000"),
        ("rate", "0.5500", "0.5500"),
        ("rate", "0.00005", "0.0001"),
        ("rate", "0.000049", "0.0000"),
        ("rate", "0", "0.0000"),
    ],
)
def test_a_part_costs_by_the_mode_of_the_account(mode, rate, price):
    assert unit_price(mode, Decimal(rate)) == Decimal(price)


@given(st.decimals(0, 999999, places=6))
def test_a_price_is_a_whole_number_of_units_and_near_the_rate(rate):
    price = unit_price("rate", rate)
    assert price * 10_000 % 1 == 0
    assert abs(price - rate) <= Decimal("0.00005")


@pytest.mark.parametrize(("mode", "rate"), [("rate", "-1"), ("rate", "NaN"), ("flat_credit", "Infinity"), ("?", "1")])
def test_a_rate_that_is_none_is_refused(mode, rate):
    with pytest.raises(ValueError, match=r"not a rate|unknown"):
        unit_price(mode, Decimal(rate))
