"""The routing table in memory: built from the database, at most a second behind it, without a restart."""

from collections import defaultdict
from decimal import Decimal

from common.models import ConfigVersion
from common.site import Snapshot
from connectors.models import TOPIC as CONNECTORS
from connectors.models import Desired
from routing.engine import Assignment, Hop, Profile, Route, RoutingTable
from routing.models import TOPIC, MtRoute, ProfileAssignment, RouteConnector, RoutingProfile, SenderId

_TOPICS = (TOPIC, CONNECTORS)


def read_table() -> RoutingTable:
    """The table as the database has it now; five statements whatever its size."""
    version = _version()
    routes = _routes()
    rows = RoutingProfile.objects.values_list("id", "name", "sender", "active", "is_default").order_by("id")
    profiles = [(Profile(*row[:4], tuple(routes.get(row[0], ()))), row[4]) for row in rows]
    return RoutingTable.build(
        [profile for profile, _ in profiles],
        _assignments(),
        default_id=next((profile.id for profile, is_default in profiles if is_default), None),
        senders=_senders(),
        version=version,
    )


def _version() -> tuple[int, ...]:
    found = dict(ConfigVersion.objects.filter(topic__in=_TOPICS).values_list("topic", "version"))
    return tuple(found.get(topic, 0) for topic in _TOPICS)


def _routes() -> dict[int, list[Route]]:
    """Active routes by profile id."""
    hops = _hops()
    found: dict[int, list[Route]] = defaultdict(list)
    columns = ("profile_id", "id", "prefix", "order", "sender", "rate")
    rows = MtRoute.objects.filter(active=True).values_list(*columns).order_by("id")
    for profile_id, route_id, prefix, order, sender, rate in rows:
        found[profile_id].append(Route(route_id, prefix, order, sender, rate, tuple(hops.get(route_id, ()))))
    return found


def _hops() -> dict[int, list[Hop]]:
    found: dict[int, list[Hop]] = defaultdict(list)
    rows = RouteConnector.objects.order_by("position", "id").values_list(
        "route_id", "connector_id", "connector__name", "connector__active", "connector__desired",
        "connector__profile__cost_per_message",
    )  # fmt: skip
    for route_id, connector_id, name, active, desired, cost in rows:
        emptied = desired in (Desired.DRAINING, Desired.DRAINED)
        why = desired if active and emptied else "switched off"
        found[route_id].append(Hop(connector_id, name, active and not emptied, cost or Decimal(0), why))
    return found


def _assignments() -> list[Assignment]:
    rows = ProfileAssignment.objects.values_list("profile_id", "account_id", "api_client_id", "smpp_client_id")
    return [Assignment(*row) for row in rows]


def _senders() -> dict[int | None, frozenset[str]]:
    found: dict[int | None, set[str]] = defaultdict(set)
    for account_id, value in SenderId.objects.filter(active=True).values_list("account_id", "value"):
        found[account_id].add(value)
    return {account_id: frozenset(values) for account_id, values in found.items()}


# One per process by nature: every thread reads the same configuration.
_snapshot = Snapshot(_TOPICS, read_table)


def routing_table() -> RoutingTable:
    """The routing table as it is now, at most a second old."""
    return _snapshot.get()
