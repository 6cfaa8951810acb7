"""Connectors are written through services that refuse what would not work."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from connectors.models import Connector, ConnectorProfile
from connectors.services import create_connector, update_connector

pytestmark = pytest.mark.django_db


def test_a_connector_is_created_with_its_cost():
    line = create_connector(name="smpp1", host="127.0.0.1", port=2776, cost=Decimal("0.02"), system_id="gw")
    assert Connector.objects.get().name == "smpp1"
    assert ConnectorProfile.objects.get().cost_per_message == Decimal("0.02")
    update_connector(connector=line, cost=Decimal("0.03"), window=20)
    assert (Connector.objects.get().window, ConnectorProfile.objects.get().cost_per_message) == (20, Decimal("0.03"))


@pytest.mark.parametrize("bad", [{"name": "Not A Name"}, {"port": 70000}, {"window": 0}, {"bind_mode": "sideways"}])
def test_a_bad_connector_is_refused_and_nothing_is_written(bad):
    with pytest.raises(ValidationError):
        create_connector(**{"name": "smpp1", "host": "127.0.0.1", **bad})
    assert not Connector.objects.exists()


def test_a_bad_change_changes_nothing():
    line = create_connector(name="smpp1", host="127.0.0.1")
    with pytest.raises(ValidationError):
        update_connector(connector=line, host="10.0.0.1", port=0)
    with pytest.raises(TypeError, match="no field colour"):
        update_connector(connector=line, colour="red")
    assert Connector.objects.get().host == "127.0.0.1"
