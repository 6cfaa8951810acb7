"""Connectors in memory: every setting, secrets closed until they are needed."""

from dataclasses import fields
from decimal import Decimal

import pytest
from django.db import connection

from common import secrets
from connectors import snapshot
from connectors.models import Connector
from connectors.services import start, stop, switch, update_connector
from connectors.snapshot import ConnectorView, connectors
from tests.support import cast
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db


def test_a_view_carries_every_setting_of_its_connector():
    names = {field.name for field in fields(ConnectorView)}
    columns = {field.name for field in Connector._meta.concrete_fields} - {"created_at", "password", "tls_key"}
    assert columns <= names


def test_values_are_those_of_the_row():
    line = cast.make_connector(cost="0.0123", tps=50, error_classes={"1040": "permanent"}, window=7)
    view = connectors().by_id[line.pk]
    assert (view.name, view.tps, view.window, view.cost) == (line.name, 50, 7, Decimal("0.0123"))
    assert view.error_classes == {"1040": "permanent"}
    assert view is connectors().by_name[line.name]


def test_secrets_are_opened_only_when_they_are_read(monkeypatch):
    line = cast.make_connector(password="hush", tls_key="PEM")
    opened = []
    plain = secrets.decrypt
    monkeypatch.setattr(secrets, "decrypt", lambda token: opened.append(token) or plain(token))
    view = connectors().by_id[line.pk]
    assert opened == []
    assert "hush" not in repr(view)
    assert view.password_token not in repr(view)
    assert (view.password, view.tls_key) == ("hush", "PEM")
    assert len(opened) == 2


def test_connectors_of_one_carrier_account_find_each_other():
    first, second = cast.make_connector(carrier_account="acme"), cast.make_connector(carrier_account="acme")
    alone = cast.make_connector()
    now = connectors()
    assert sorted(now.of_carrier("acme")) == sorted([first.pk, second.pk])
    assert now.by_id[alone.pk].carrier_account == alone.name
    assert now.of_carrier(alone.name) == [alone.pk]
    assert now.of_carrier("nobody") == []


def test_a_connector_without_a_profile_costs_nothing():
    line = Connector.objects.create(name="bare", host="127.0.0.1")
    cast.forget_snapshots()
    assert connectors().by_id[line.pk].cost == 0


def test_a_null_instead_of_further_hosts_stops_no_line():
    line = cast.make_connector()
    with connection.cursor() as cursor:  # the admin and the services refuse it; a hand in the database does not
        cursor.execute("UPDATE connectors_connector SET more_hosts = %s WHERE id = %s", ["null", line.pk])
    cast.forget_snapshots()
    assert connectors().by_id[line.pk].places == ((line.host, line.port),)


def test_a_stop_is_seen_within_two_seconds():
    line = cast.make_connector()
    assert connectors().by_id[line.pk].wanted
    stop(connector=line)
    wait_until(lambda: not connectors().by_id[line.pk].wanted, timeout=2.0)
    start(connector=line)
    switch(connector=line, active=False)
    wait_until(lambda: not connectors().by_id[line.pk].active, timeout=2.0)
    assert connectors().by_id[line.pk].desired == "started"


def test_an_update_leaves_the_password_as_it_was():
    line = cast.make_connector(password="hush")
    update_connector(connector=line, tps=9)
    snapshot._snapshot.clear()
    assert (connectors().by_id[line.pk].password, connectors().by_id[line.pk].tps) == ("hush", 9)
