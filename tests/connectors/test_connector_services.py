"""Connectors are written through services that refuse what would not work."""

from decimal import Decimal
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db.models import JSONField, Value

from connectors.limits import MOST_HOSTS
from connectors.models import Connector, ConnectorProfile
from connectors.services import create_connector, drain, stop, switch, update_connector
from tests.support.cast import make_connector
from tests.support.certificates import self_signed

pytestmark = pytest.mark.django_db
PEM_OF_NOTHING = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n"
TIMERS = (
    "connect_timeout", "bind_timeout", "enquire_link_interval", "enquire_link_timeout", "response_timeout",
    "inactivity_timeout", "pdu_read_timeout", "reconnect_max",
)  # fmt: skip


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
        *((timer, value) for timer in TIMERS for value in (0, 3_601)),
        *((column, value) for column in ("source_ton", "dest_ton") for value in (-2, 7, 999)),
        *((column, value) for column in ("source_npi", "dest_npi") for value in (-2, 19, 999)),
        *((column, 7 * 86_400 + 1) for column in ("failover_after", "receipt_timeout")),
        *(("host", wrong) for wrong in ("smsc example", " smsc.example", "smsc.example:2775", "[::1]")),
        ("tls_server_name", "smsc example"),
        *((column, wrong) for column in ("tls_ca", "tls_certificate") for wrong in ("no pem", PEM_OF_NOTHING)),
        ("more_hosts", [f"10.0.0.{number}" for number in range(MOST_HOSTS)]),
    ],
)
def test_a_value_that_the_table_or_the_wire_would_not_take_is_refused_by_its_column(column, value):
    line = make_connector()
    before = Connector.objects.filter(pk=line.pk).values().get()
    with pytest.raises(ValidationError) as refused:
        update_connector(connector=line, **{column: value})
    assert set(refused.value.message_dict) == {column}
    assert Connector.objects.filter(pk=line.pk).values().get() == before


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("response_timeout", 0, "1 to 3600"),
        ("dest_ton", 999, "-1 to 6"),
        ("failover_after", 10**9, "0 to 604800"),
        ("more_hosts", ["a"] * 100, "100 hosts: 0 to 7"),
    ],
)
def test_a_refusal_names_the_range(column, value, words):
    with pytest.raises(ValidationError) as refused:
        update_connector(connector=make_connector(), **{column: value})
    assert refused.value.message_dict == {column: [words]}


def test_the_ends_of_each_range_are_taken_and_a_certificate_with_its_chain(tmp_path):
    pem = self_signed(tmp_path)[0].read_text()
    many = dict.fromkeys(TIMERS, 3_600) | {"dest_ton": 6, "source_npi": 18, "tls_ca": pem + pem, "tls_certificate": pem}
    more = [f"10.0.0.{number}" for number in range(MOST_HOSTS - 1)]
    line = update_connector(
        connector=make_connector(), host="::1", more_hosts=more, failover_after=604_800, connect_timeout=1
    )
    assert update_connector(connector=line, **many).dest_ton == 6


OLDER_RULES = {
    "response_timeout": 0,
    "tls_ca": "no pem",
    "more_hosts": Value(None, JSONField()),  # null inside JSON, which the column takes
    "tlv_dictionary": [],
    "error_classes": {"a": "b"},
    "uncertain_policy": {"otp": "banana"},
    "interface_version": 0x12,
}


@pytest.mark.parametrize("column", OLDER_RULES)
@pytest.mark.parametrize("deed", [stop, drain, partial(switch, active=False)], ids=["stop", "drain", "off"])
def test_a_line_of_an_older_rule_can_still_be_taken_out_of_service(deed, column):
    line = make_connector()
    Connector.objects.update(**{column: OLDER_RULES[column]})
    before = Connector.objects.values(*OLDER_RULES).get()
    left = deed(connector=line)
    assert (left.active, left.desired) != (True, "started")
    assert Connector.objects.values("active", "desired", *OLDER_RULES).get() == {
        "active": left.active, "desired": left.desired, **before,
    }  # fmt: skip
    with pytest.raises(ValidationError) as refused:
        update_connector(connector=line, window=0, **{column: before[column]})
    assert set(refused.value.message_dict) == {column, "window"}


def test_values_of_the_right_shape_are_taken():
    tlvs = {"pe_id": {"tag": 0x1400, "type": "octets", "length": 30}, "cost": {"tag": 0x1401, "type": "int"}}
    line = update_connector(
        connector=make_connector(), tlv_dictionary=tlvs, error_classes={"1040": "permanent"}, uncertain_policy={}
    )
    assert Connector.objects.get(pk=line.pk).tlv_dictionary == tlvs
