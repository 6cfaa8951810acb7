"""Connectors are written through services that refuse what would not work."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from connectors.models import Connector, ConnectorProfile
from connectors.services import create_connector, update_connector
from tests.support.cast import make_connector

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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, None) for column in ("more_hosts", "tlv_dictionary", "error_classes", "uncertain_policy")),
        ("tlv_dictionary", []),
        ("tlv_dictionary", {"pe_id": 1}),
        ("tlv_dictionary", {"pe_id": {"tag": 70_000, "type": "octets"}}),
        ("tlv_dictionary", {"pe_id": {"tag": 5120, "type": ["octets"]}}),
        ("error_classes", {"x": "permanent"}),
        ("error_classes", {"1040": "banana"}),
        ("uncertain_policy", [1]),
        ("uncertain_policy", {"otp": "banana"}),
        ("uncertain_policy", {"night": "hold"}),
        ("interface_version", 9999),
    ],
)
def test_a_value_that_the_table_or_the_wire_would_not_take_is_refused_by_its_column(column, value):
    line = make_connector()
    before = Connector.objects.filter(pk=line.pk).values().get()
    with pytest.raises(ValidationError) as refused:
        update_connector(connector=line, **{column: value})
    assert set(refused.value.message_dict) == {column}
    assert Connector.objects.filter(pk=line.pk).values().get() == before


def test_values_of_the_right_shape_are_taken():
    tlvs = {"pe_id": {"tag": 0x1400, "type": "octets", "length": 30}, "cost": {"tag": 0x1401, "type": "int"}}
    line = update_connector(
        connector=make_connector(), tlv_dictionary=tlvs, error_classes={"1040": "permanent"}, uncertain_policy={}
    )
    assert Connector.objects.get(pk=line.pk).tlv_dictionary == tlvs
