"""Connectors and routing profiles as the file wants them."""

from collections.abc import Iterable
from typing import Any

from accounts.audit import changes, entity, facts
from accounts.services import Actor, record
from common.secrets import random_password
from connectors.models import Connector, ConnectorProfile
from connectors.services import create_connector, update_connector
from gateway_project.provisioning.checks import DEFAULT_ORDER, route_key
from gateway_project.provisioning.items import Item
from gateway_project.provisioning.journal import Entry, Journal, differing
from gateway_project.provisioning.secrets import settle_readable
from routing.models import MtRoute, RoutingProfile
from routing.services import add_route, create_profile, make_default, set_connectors

_SECRETS = {"password": "password", "tls_key": "tls_key"}


def apply_connector(item: Item, journal: Journal, actor: Actor) -> None:
    """Create the connector, or change what differs."""
    row = Connector.objects.filter(name=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        _create_connector(item, entry, journal, actor)
    else:
        _change_connector(row, item, entry, journal, actor)


def _create_connector(item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    values = column_values(item)
    values |= settle_readable(Connector(), item, entry, journal, random_password, _SECRETS)
    terms = column_values(item, "profile")
    row = create_connector(cost=terms.pop("cost_per_message", 0), **values)
    _save(row.profile, differing(row.profile, terms))
    record(action="create", entity=entity(row), entity_id=row.pk, details=facts(row), actor=actor)


def _change_connector(row: Connector, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    wanted = note_differing(row, item, entry)
    wanted |= settle_readable(row, item, entry, journal, random_password, _SECRETS)
    if wanted:
        _tell(row, wanted, actor)
        update_connector(connector=row, **wanted)
    terms, _ = ConnectorProfile.objects.get_or_create(connector=row) if _terms_of(item) else (None, False)
    if terms is not None and (wanted_terms := note_differing(terms, item, entry, "profile")):
        _tell(terms, wanted_terms, actor)
        _save(terms, wanted_terms)


def _terms_of(item: Item) -> dict[str, Any]:
    return column_values(item, "profile")


def column_values(item: Item, part: str = "row") -> dict[str, Any]:
    """Column → value, of the keys that the file gives for this part."""
    return {column: item.values[key] for key, column in item.kind.columns(part).items() if key in item.values}


def note_differing(row: Any, item: Item, entry: Entry, part: str = "row") -> dict[str, Any]:
    """What the row does not hold yet, by column; each goes into the entry by its key."""
    wanted = differing(row, column_values(item, part))
    for key, column in item.kind.columns(part).items():
        if column in wanted:
            entry.note(key, getattr(row, column), wanted[column])
    return wanted


def _tell(row: Any, wanted: dict[str, Any], actor: Actor) -> None:
    before = {name: getattr(row, name) for name in wanted}
    record(
        action="change",
        entity=entity(row),
        entity_id=row.pk,
        details=changes(row, before, wanted),
        actor=actor,
    )


def _save(row: Any, values: dict[str, Any]) -> None:
    if not values:
        return
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()


def apply_profile(item: Item, journal: Journal, actor: Actor) -> None:
    """Create the profile or change what differs; `routes`, when named, are all the routes it has."""
    row = RoutingProfile.objects.filter(name=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        values = column_values(item) | {"is_default": False}
        row = create_profile(**values)
        record(action="create", entity=entity(row), entity_id=row.pk, details=facts(row), actor=actor)
    else:
        wanted = note_differing(row, item, entry)
        wanted.pop("is_default", None)
        if wanted:
            _tell(row, wanted, actor)
            _save(row, wanted)
    _settle_default(row, item, journal, actor)
    if "routes" in item.children:
        _settle_routes(row, item.children["routes"], journal, actor)


def _settle_default(row: RoutingProfile, item: Item, journal: Journal, actor: Actor) -> None:
    wanted = item.values.get("default", row.is_default)
    if wanted == row.is_default:
        return
    _tell(row, {"is_default": wanted}, actor)
    if not wanted:
        _save(row, {"is_default": False})
        return
    for former in RoutingProfile.objects.filter(is_default=True):
        journal.open(item.kind.label, former.name).note("default", True, False)
    make_default(profile=row)


def _settle_routes(profile: RoutingProfile, items: Iterable[Item], journal: Journal, actor: Actor) -> None:
    # Two stored routes of one prefix and order: the older one serves, so it is the one that stays.
    stored: dict[tuple[str, int], MtRoute] = {}
    surplus = []
    for route in profile.routes.order_by("pk"):
        if (route.prefix, route.order) in stored:
            surplus.append(route)
        else:
            stored[(route.prefix, route.order)] = route
    for item in items:
        known = stored.pop(route_key(item), None)
        entry = journal.open(item.kind.label, _route_name(profile, *route_key(item)), new=known is None)
        if known is None:
            _add_route(profile, item, actor)
        else:
            _change_route(known, item, entry, actor)
    for route in [*stored.values(), *surplus]:
        journal.removed("route", _route_name(profile, route.prefix, route.order))
        record(action="delete", entity=entity(route), entity_id=route.pk, details=facts(route), actor=actor)
        route.delete()


def _route_name(profile: RoutingProfile, prefix: str, order: int) -> str:
    return f"{profile.name} {prefix or 'all'}" + ("" if order == DEFAULT_ORDER else f" ({order})")


def _carriers(item: Item) -> list[Connector]:
    found = {row.name: row for row in Connector.objects.filter(name__in=item.values["connectors"])}
    return [found[name] for name in item.values["connectors"]]


def _add_route(profile: RoutingProfile, item: Item, actor: Actor) -> None:
    values = column_values(item)
    active = values.pop("active", True)
    route = add_route(profile=profile, connectors=_carriers(item), **values)
    _save(route, differing(route, {"active": active}))
    record(action="create", entity=entity(route), entity_id=route.pk, details=facts(route), actor=actor)


def _change_route(route: MtRoute, item: Item, entry: Entry, actor: Actor) -> None:
    if wanted := note_differing(route, item, entry):
        _tell(route, wanted, actor)
        _save(route, wanted)
    before = list(route.hops.order_by("position").values_list("connector__name", flat=True))
    if before != item.values["connectors"]:
        entry.note("connectors", before, item.values["connectors"])
        details = {"connectors": [before, item.values["connectors"]]}
        record(action="change", entity=entity(route), entity_id=route.pk, details=details, actor=actor)
        set_connectors(route=route, connectors=_carriers(item))
