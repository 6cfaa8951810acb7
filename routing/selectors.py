"""Reads of routing for people."""

from collections.abc import Iterator

from routing.models import MtRoute, RouteConnector, RoutingProfile, SenderId


def profile_warnings(profile: RoutingProfile) -> list[str]:
    """What an operator should look at (requirements S0-62); empty when all is well."""
    routes = list(profile.routes.filter(active=True).prefetch_related("hops__connector__profile"))
    warnings = [text for route in routes for text in _route_warnings(route)]
    if not any(route.prefix == "" for route in routes):
        warnings.append("No route for all numbers: others are refused.")
    return warnings + list(_overlaps(routes)) + list(_senders(profile, routes))


def _route_warnings(route: MtRoute) -> Iterator[str]:
    hops = list(route.hops.all())
    if not hops:
        yield f"{route}: no connector."
    for hop in hops:
        yield from _hop_warnings(route, hop)


def _hop_warnings(route: MtRoute, hop: RouteConnector) -> Iterator[str]:
    connector = hop.connector
    if not connector.active:
        yield f"{route}: connector {connector} is switched off."
    elif connector.desired != "started":
        yield f"{route}: connector {connector} is {connector.desired}."
    profile = getattr(connector, "profile", None)
    if profile is not None and route.rate < profile.cost_per_message:
        yield f"{route}: rate {route.rate} is below the cost {profile.cost_per_message} of {connector}."


def _overlaps(routes: list[MtRoute]) -> Iterator[str]:
    seen: set[tuple[str, int]] = set()
    for route in routes:
        if (route.prefix, route.order) in seen:
            yield f"{route}: another route has the same prefix and order; the older one wins."
        seen.add((route.prefix, route.order))


def _senders(profile: RoutingProfile, routes: list[MtRoute]) -> Iterator[str]:
    used = {profile.sender, *(route.sender for route in routes)} - {""}
    approved = set(SenderId.objects.filter(active=True, value__in=used).values_list("value", flat=True))
    for sender in sorted(used - approved):
        yield f"Sender {sender} is not an active registered sender."
