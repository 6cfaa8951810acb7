"""Writes to routing. Each bumps the configuration's version; the caller writes the audit entry."""

from collections.abc import Sequence
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Account, ApiClient, SmppClient
from common.phone import InvalidSender, check_sender
from connectors.models import Connector
from routing.models import MtRoute, ProfileAssignment, RouteConnector, RoutingProfile, SenderId

Party = Account | ApiClient | SmppClient


@transaction.atomic
def create_profile(*, name: str, sender: str = "", is_default: bool = False, active: bool = True) -> RoutingProfile:
    """A profile without routes; raises ValidationError on a bad field."""
    profile = RoutingProfile(name=name, sender=_spelled(sender), active=active)
    profile.full_clean()
    profile.save()
    return make_default(profile=profile) if is_default else profile


@transaction.atomic
def make_default(*, profile: RoutingProfile) -> RoutingProfile:
    """Let the profile serve everybody who has none assigned; the former default is one no longer."""
    for former in RoutingProfile.objects.select_for_update().filter(is_default=True).exclude(pk=profile.pk):
        former.is_default = False
        former.save(update_fields=["is_default"])
    profile.is_default = True
    profile.save(update_fields=["is_default"])
    return profile


@transaction.atomic
def add_route(
    *,
    profile: RoutingProfile,
    connectors: Sequence[Connector],
    prefix: str = "",
    rate: Decimal = Decimal(0),
    order: int = 100,
    sender: str = "",
) -> MtRoute:
    """A route over the connectors in this order; `rate` in credits per part, 0 or more. Raises ValidationError."""
    route = MtRoute(profile=profile, prefix=prefix, rate=rate, order=order, sender=_spelled(sender))
    route.full_clean()
    if rate < 0:
        raise ValidationError({"rate": "A rate is not negative."})
    route.save()
    set_connectors(route=route, connectors=connectors)
    return route


@transaction.atomic
def set_connectors(*, route: MtRoute, connectors: Sequence[Connector]) -> MtRoute:
    """Let the route try these connectors in this order, and no others; raises ValidationError on a repeated one."""
    if len({connector.pk for connector in connectors}) != len(connectors):
        raise ValidationError("A connector may stand in a route only once.")
    route.hops.all().delete()
    for position, connector in enumerate(connectors):
        RouteConnector.objects.create(route=route, connector=connector, position=position)
    route.save()  # bumps the version also when no connector is left
    return route


@transaction.atomic
def assign_profile(*, profile: RoutingProfile, to: Party) -> ProfileAssignment:
    """Let an account or a credential use the profile instead of what it used before."""
    assignment = ProfileAssignment.objects.filter(**{_field(to): to}).first() or ProfileAssignment(**{_field(to): to})
    assignment.profile = profile
    assignment.save()
    return assignment


@transaction.atomic
def unassign_profile(*, from_: Party) -> bool:
    """Let the account's or the default profile serve again; returns whether there was an assignment."""
    found = ProfileAssignment.objects.filter(**{_field(from_): from_}).first()
    if found is None:
        return False
    found.delete()
    return True


@transaction.atomic
def register_sender(*, value: str, account: Account | None = None, active: bool = True) -> SenderId:
    """Let the account (without one: everybody) use the sender; raises ValidationError on a malformed one."""
    sender, _ = SenderId.objects.update_or_create(value=_spelled(value), account=account, defaults={"active": active})
    return sender


def _field(party: Party) -> str:
    return {Account: "account", ApiClient: "api_client", SmppClient: "smpp_client"}[type(party)]


def _spelled(sender: str) -> str:
    """The sender as requests will spell it, so that the two compare."""
    try:
        return check_sender(sender) if sender else ""
    except InvalidSender as error:
        raise ValidationError({"sender": str(error)}) from error
