"""Writes to connectors. Each bumps the configuration's version; the caller writes the audit entry."""

from collections.abc import Set
from decimal import Decimal
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import F

from connectors.models import Connector, ConnectorProfile, CredentialCheck, Desired


class NotStarted(Exception):
    """What was asked makes sense for a started connector only."""

    def __init__(self, connector: Connector) -> None:
        self.state = connector.desired if connector.active else "off"
        super().__init__(f"{connector.name} is {self.state}: start it first")


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
    """Change the named fields only; raises ValidationError on a bad value, then nothing changes.

    The others are not judged: a line that was set up under an older rule can still be stopped.
    """
    fresh = _locked(connector)
    _assign(fresh, fields)
    _judge(fresh, fields.keys())
    fresh.save(update_fields=fields.keys())
    if cost is not None:
        _set_cost(fresh, cost)
    return fresh


def start(*, connector: Connector) -> Connector:
    """Let binds be opened; a stopped connector's waiting messages go out."""
    return _wanted(connector, Desired.STARTED)


def stop(*, connector: Connector) -> Connector:
    """Let binds be closed once their windows are answered; messages wait until their validity ends (1C)."""
    return update_connector(connector=connector, desired=Desired.STOPPED)


def drain(*, connector: Connector) -> Connector:
    """Give it no new messages and let those go out that are queued for it; then its binds close.

    Raises NotStarted when it is stopped or off: nothing would go out.
    """
    if connector.desired == Desired.DRAINED:
        return connector
    return _wanted(connector, Desired.DRAINING, only_from=(Desired.STARTED, Desired.DRAINING))


@transaction.atomic
def restart(*, connector: Connector) -> Connector:
    """Close all its binds on all hosts and open them anew, without a restart of any process.

    One try at once, whatever the carrier said before. Raises NotStarted when it is stopped or off.
    """
    fresh = _locked(connector)
    if not fresh.active or fresh.desired not in (Desired.STARTED, Desired.DRAINING):
        raise NotStarted(fresh)
    fresh.generation = F("generation") + 1
    fresh.save(update_fields=["generation"])
    CredentialCheck.objects.filter(pk=fresh.pk).update(next_try_at=None, trying_until=None)
    fresh.refresh_from_db(fields=["generation"])
    return fresh


def switch(*, connector: Connector, active: bool) -> Connector:
    """Make it a candidate of routing, or never one."""
    return update_connector(connector=connector, active=active)


@transaction.atomic
def _wanted(connector: Connector, desired: str, only_from: tuple[str, ...] = ()) -> Connector:
    fresh = _locked(connector)
    if only_from and (not fresh.active or fresh.desired not in only_from):
        raise NotStarted(fresh)
    CredentialCheck.objects.filter(pk=fresh.pk).update(next_try_at=None)  # an operator asks: one try at once
    return update_connector(connector=fresh, desired=desired)


def _locked(connector: Connector) -> Connector:
    return Connector.objects.select_for_update().get(pk=connector.pk)


def _assign(connector: Connector, values: dict[str, Any]) -> None:
    known = {item.name for item in Connector._meta.concrete_fields} - {"id", "created_at", "generation"}
    if unknown := values.keys() - known:
        raise TypeError(f"a connector has no field {', '.join(sorted(unknown))}")
    for name, value in values.items():
        setattr(connector, name, value)


def _judge(connector: Connector, changed: Set[str]) -> None:
    """Raises ValidationError for all that is wrong with the changed columns.

    Connector.clean judges every column, each by itself; what it says of the others is left out.
    """
    try:
        connector.full_clean(exclude={item.name for item in Connector._meta.fields} - changed)
    except ValidationError as refused:
        ours = {name: why for name, why in refused.error_dict.items() if name in {*changed, NON_FIELD_ERRORS}}
        if ours:
            raise ValidationError(ours) from None


def _set_cost(connector: Connector, cost: Decimal) -> None:
    profile, _ = ConnectorProfile.objects.get_or_create(connector=connector)
    profile.cost_per_message = cost
    profile.full_clean()
    profile.save()
