"""Writes to connectors. Each bumps the configuration's version; the caller writes the audit entry."""

from decimal import Decimal
from typing import Any

from django.db import transaction

from connectors.models import Connector, ConnectorProfile, Desired


@transaction.atomic
def create_connector(
    *, name: str, host: str, cost: Decimal = Decimal(0), currency: str = "USD", **fields: Any
) -> Connector:
    """A new connector with its cost profile (credits per part); raises ValidationError on a bad field."""
    connector = Connector(name=name, host=host, **fields)
    connector.full_clean()
    connector.save()
    profile = ConnectorProfile(connector=connector, cost_per_message=cost, currency=currency)
    profile.full_clean()
    profile.save()
    return connector


@transaction.atomic
def update_connector(*, connector: Connector, cost: Decimal | None = None, **fields: Any) -> Connector:
    """Change the named fields only; raises ValidationError on a bad value, then nothing changes."""
    fresh = Connector.objects.select_for_update().get(pk=connector.pk)
    _assign(fresh, fields)
    fresh.full_clean()
    fresh.save()
    if cost is not None:
        _set_cost(fresh, cost)
    return fresh


def start(*, connector: Connector) -> Connector:
    """Let binds be opened; a stopped connector's waiting messages go out."""
    return update_connector(connector=connector, desired=Desired.STARTED)


def stop(*, connector: Connector) -> Connector:
    """Let binds be closed; messages wait until their validity ends (requirements 1C)."""
    return update_connector(connector=connector, desired=Desired.STOPPED)


def switch(*, connector: Connector, active: bool) -> Connector:
    """Make it a candidate of routing, or never one."""
    return update_connector(connector=connector, active=active)


def _assign(connector: Connector, values: dict[str, Any]) -> None:
    known = {item.name for item in Connector._meta.concrete_fields} - {"id", "created_at"}
    if unknown := values.keys() - known:
        raise TypeError(f"a connector has no field {', '.join(sorted(unknown))}")
    for name, value in values.items():
        setattr(connector, name, value)


def _set_cost(connector: Connector, cost: Decimal) -> None:
    profile, _ = ConnectorProfile.objects.get_or_create(connector=connector)
    profile.cost_per_message = cost
    profile.full_clean()
    profile.save()
