"""Secrets lie encrypted; credits are exact."""

from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from common import money, secrets
from common.money import MoneyField
from connectors.models import Connector
from tests.support.cast import make_connector


@pytest.mark.django_db
@pytest.mark.both
def test_a_password_is_not_readable_in_the_database():
    line = make_connector(password="tops3cret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM connectors_connector WHERE name = %s", [line.name])
        [(stored,)] = cursor.fetchall()
    assert "tops3cret" not in stored
    assert Connector.objects.get(pk=line.pk).password == "tops3cret"


def test_an_older_key_still_opens(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    token = secrets.encrypt("x")
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert secrets.decrypt(token) == "x"
    settings.FIELD_ENCRYPTION_KEYS = [new]
    with pytest.raises(ImproperlyConfigured):
        secrets.decrypt(token)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4))
def test_credits_survive_the_way_to_integers_and_back(amount):
    assert money.from_units(money.to_units(amount)) == amount


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "1e30", "abc", "-Infinity"])
def test_what_is_no_amount_is_refused(bad):
    with pytest.raises(ValidationError):
        MoneyField().to_python(bad)


def test_too_fine_an_amount_is_no_unit():
    with pytest.raises(ValueError, match="whole number"):
        money.to_units(Decimal("0.00001"))
    assert money.quantize(Decimal("0.00005")) == Decimal("0.0001")
