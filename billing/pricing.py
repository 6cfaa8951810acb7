"""What a part costs: pure, so that message log, ledger and invoice agree to 1/10,000 credit."""

from decimal import Decimal

from common.money import quantize

FLAT = Decimal("1.0000")


def unit_price(billing_mode: str, rate: Decimal) -> Decimal:
    """Credits charged for one part: 1 in mode `flat_credit`, the route's rate in mode `rate` (requirements 1C).

    Raises ValueError for another mode or a rate that is negative or not finite.
    """
    if not rate.is_finite() or rate < 0:
        raise ValueError(f"not a rate: {rate}")
    if billing_mode == "flat_credit":
        return FLAT
    if billing_mode == "rate":
        return quantize(rate)
    raise ValueError(f"unknown billing mode {billing_mode!r}")
