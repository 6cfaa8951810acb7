"""The configuration in the database as a file that `provision` takes back without a change; no secret is in it."""

from decimal import Decimal
from typing import Any, Final

import yaml

from accounts.models import Account, ApiClient, PermissionGroup, Role, SmppClient, User, WebhookEndpoint
from connectors.models import Connector
from gateway_project.provisioning.schema import (
    ACCOUNT,
    API_CLIENT,
    CONNECTOR,
    GLOBAL_SENDERS,
    PERMISSION_GROUP,
    ROUTE,
    ROUTING_PROFILE,
    SMPP_CLIENT,
    STAFF,
    USER,
    WEBHOOK,
    Kind,
)
from gateway_project.provisioning.secrets import provisioned_key
from routing.models import MtRoute, RoutingProfile, SenderId

HEADING: Final = """\
# Gateway Broker: the whole configuration. Secrets are not in it: where one is missing, `provision` keeps what is
# stored, and draws passwords for credentials that do not exist yet.
"""
_DRAWN = "generate"
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def export() -> dict[str, Any]:
    """Every object of the configuration, in the shape of the file."""
    return {
        "permission_groups": [_values(PERMISSION_GROUP, row) for row in PermissionGroup.objects.order_by("name")],
        "connectors": [_connector(row) for row in Connector.objects.select_related("profile").order_by("name")],
        "routing_profiles": [_profile(row) for row in RoutingProfile.objects.order_by("name")],
        GLOBAL_SENDERS: _senders(None),
        "accounts": [_account(row) for row in Account.objects.select_related("parent", "group", "wallet")],
        "staff": [_values(STAFF, row) for row in User.objects.exclude(role=Role.ENTERPRISE).order_by("username")],
    }


def as_yaml(configuration: dict[str, Any]) -> str:
    """The text of the file."""
    return HEADING + yaml.dump(configuration, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110)


def _values(kind: Kind, row: Any, part: str = "row") -> dict[str, Any]:
    return {key: _plain(getattr(row, column)) for key, column in kind.columns(part).items()}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _connector(row: Connector) -> dict[str, Any]:
    found = _values(CONNECTOR, row)
    profile = getattr(row, "profile", None)
    return found | _values(CONNECTOR, profile, "profile") if profile else found


def _profile(row: RoutingProfile) -> dict[str, Any]:
    return {**_values(ROUTING_PROFILE, row), "routes": [_route(route) for route in _serving(row)]}


def _serving(profile: RoutingProfile) -> list[MtRoute]:
    """Of routes with the same prefix and order only the oldest serves; the file has no words for the others."""
    first: dict[tuple[str, int], MtRoute] = {}
    for route in profile.routes.order_by("prefix", "order", "pk").prefetch_related("hops__connector"):
        first.setdefault((route.prefix, route.order), route)
    return list(first.values())


def _route(row: MtRoute) -> dict[str, Any]:
    hops = sorted(row.hops.all(), key=lambda hop: hop.position)
    return {**_values(ROUTE, row), "connectors": [hop.connector.name for hop in hops]}


def _senders(account: Account | None) -> list[str]:
    return list(SenderId.objects.filter(account=account, active=True).order_by("value").values_list("value", flat=True))


def _account(row: Account) -> dict[str, Any]:
    wallet = getattr(row, "wallet", None)
    return {
        **_values(ACCOUNT, row),
        **(_values(ACCOUNT, wallet, "wallet") if wallet else {}),
        "parent": row.parent.name if row.parent else None,
        "group": row.group.name if row.group else None,
        "routing_profile": _assigned(row),
        "senders": _senders(row),
        "api_clients": [_api_client(client) for client in row.api_clients.order_by("username")],
        "smpp_clients": [_smpp_client(client) for client in row.smpp_clients.order_by("system_id")],
        "users": [_user(user) for user in row.users.select_related("permission_group").order_by("username")],
        "webhooks": [_webhook(hook) for hook in _named_once(row)],
    }


def _assigned(row: Account | ApiClient | SmppClient) -> str | None:
    assignment = getattr(row, "profile_assignment", None)
    return assignment.profile.name if assignment else None


def _api_client(row: ApiClient) -> dict[str, Any]:
    found = {**_values(API_CLIENT, row), "routing_profile": _assigned(row)}
    if row.webhook_secret:
        found["webhook_secret"] = _DRAWN
    if key := provisioned_key(row):
        found |= {"api_key": _DRAWN, "scopes": key.scopes}
    return found


def _smpp_client(row: SmppClient) -> dict[str, Any]:
    return {**_values(SMPP_CLIENT, row), "routing_profile": _assigned(row)}


def _user(row: User) -> dict[str, Any]:
    group = row.permission_group
    return {**_values(USER, row), "permission_group": group.name if group else None}


def _named_once(account: Account) -> list[WebhookEndpoint]:
    first: dict[str, WebhookEndpoint] = {}
    for hook in account.webhook_endpoints.order_by("name", "pk"):
        first.setdefault(hook.name, hook)
    return list(first.values())


def _webhook(row: WebhookEndpoint) -> dict[str, Any]:
    return {**_values(WEBHOOK, row), **({"secret": _DRAWN} if row.secret else {})}
