"""Credits: exact to 1/10,000, held as integers in every database.

SQLite keeps decimals as floating point, which would lose fractions in sums; an integer count of
1/10,000 credits is exact, sortable and quick in both dialects.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

SCALE = 10_000
QUANTUM = Decimal("0.0001")
LIMIT = Decimal("99999999999999.9999")


def quantize(amount: Decimal) -> Decimal:
    """Round to 1/10,000 credit, halves away from zero (the commercial rule)."""
    return amount.quantize(QUANTUM, rounding=ROUND_HALF_UP)


def to_units(amount: Decimal) -> int:
    """Credits to integer units; raises ValueError when the amount is finer than a unit or not finite."""
    scaled = amount * SCALE
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"not a whole number of 1/{SCALE} credits: {amount}")
    return int(scaled)


def from_units(units: int) -> Decimal:
    """Integer units to credits with four decimals."""
    return Decimal(units).scaleb(-4)


if TYPE_CHECKING:  # to the type checker it is what it looks like in Python: a Decimal
    _Integer = models.DecimalField
else:
    _Integer = models.BigIntegerField


class MoneyField(_Integer):  # type: ignore[type-arg]  # django-stubs' fields are generic, Django's are not
    """Credits as Decimal in Python and as an integer number of 1/10,000 in the database."""

    description = "Credits (4 decimals)"

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            amount = Decimal(str(value))
        except ArithmeticError as error:
            raise ValidationError(f"{value!r} is not an amount") from error
        if not amount.is_finite() or abs(amount) > LIMIT:
            raise ValidationError(f"{value!r} is out of range")
        return quantize(amount)

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else from_units(int(value))

    def get_prep_value(self, value: Any) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return to_units(self.to_python(value))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        from django import forms

        return models.Field.formfield(
            self, **{"form_class": forms.DecimalField, "max_digits": 18, "decimal_places": 4, **kwargs}
        )

    @property
    def validators(self) -> list[Any]:  # the integer range validators do not fit a Decimal
        return [*self._validators]  # type: ignore[attr-defined]
