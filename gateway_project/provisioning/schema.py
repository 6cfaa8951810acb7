"""What may stand in the file: every kind of object, its keys, and the column that each key fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from django.db import models

from accounts.credentials import SCOPES
from accounts.models import Account, ApiClient, Group, PermissionGroup, Role, SmppClient, User, WebhookEndpoint
from accounts.models.credentials import BIND_MODES, RECEIPT_OPTIONS
from accounts.models.user import PERMISSIONS
from billing.models import Wallet
from common.errors import SendKind
from common.queues import Lane
from connectors.models import Connector, ConnectorProfile
from connectors.tables import UNCERTAIN
from gateway_project.provisioning import readers
from gateway_project.provisioning.readers import Reader
from routing.models import MtRoute, RoutingProfile

EVENTS: Final = ("dlr", "mo")
STAFF_ROLES: Final = (Role.SUPERADMIN.value, Role.ADMIN.value)
FULL: Final = "full"  # the permission group that is made when it is named and missing


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object: how it is read and, for a plain column, which one it fills (`part` of the row)."""

    read: Reader
    column: str = ""
    part: str = "row"  # row: the object's own model; profile: of a connector; wallet: of an account
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object; `identity` is the key that names it, `children` are lists of further objects."""

    label: str
    phrase: str
    identity: str
    keys: Mapping[str, Key]
    children: "Mapping[str, Kind]" = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()

    def columns(self, part: str = "row") -> dict[str, str]:
        """Keys that fill a plain column of this part, with the column."""
        return {name: key.column for name, key in self.keys.items() if key.column and key.part == part}


def _columns(
    model: type[models.Model],
    *names: str,
    part: str = "row",
    readers_of: Mapping[str, Reader] | None = None,
    **renamed: str,
) -> dict[str, Key]:
    """Keys for columns of a model: `names` as they are called, `renamed` as key=column."""
    special = readers_of or {}
    wanted = {**{name: name for name in names}, **renamed}
    return {
        key: Key(readers.for_column(model._meta.get_field(column), special.get(key)), column, part)
        for key, column in wanted.items()
    }


def _name_of(model: type[models.Model], column: str = "name") -> Key:
    return Key(readers.for_column(model._meta.get_field(column)))


_NETWORKS = {"ip_whitelist": readers.words()}
_SENDER = {"default_sender": readers.sender, "sender": readers.sender}


def _nullable(read: Reader) -> Reader:
    def read_or_none(node: Any, what: str) -> Any:
        return None if getattr(node, "tag", "") == "null" else read(node, what)

    return read_or_none


_PROFILE = Key(_nullable(readers.text))

PERMISSION_GROUP: Final = Kind(
    "permission_group",
    "a permission group",
    "name",
    _columns(
        PermissionGroup,
        "name",
        "description",
        "active",
        "permissions",
        readers_of={"permissions": readers.words(of=PERMISSIONS)},
    ),
)

_USER_COLUMNS = _columns(
    User, "username", "email", "first_name", "last_name", "must_change_password", active="is_active"
)
USER: Final = Kind(
    "user",
    "a user",
    "username",
    {
        **_USER_COLUMNS,
        "password": Key(readers.secret(), secret=True),
        "permission_group": Key(_nullable(readers.text)),
        "role": Key(readers.one_of([Role.ENTERPRISE.value]), "role"),
    },
)
STAFF: Final = Kind(
    "staff",
    "a staff member",
    "username",
    {
        **_USER_COLUMNS,
        "password": Key(readers.secret(), secret=True),
        "role": Key(readers.one_of(STAFF_ROLES), "role"),
    },
    required=("role",),
)
API_CLIENT: Final = Kind(
    "api_client",
    "an API client",
    "username",
    {
        **_columns(
            ApiClient,
            "username",
            "description",
            "active",
            "url_credentials",
            "rate_limit",
            "daily_limit",
            "spending_cap",
            "default_sender",
            "traffic_class",
            "otp_allowed",
            "dlr_url",
            "ip_whitelist",
            readers_of={**_NETWORKS, **_SENDER, "dlr_url": readers.web_address},
        ),
        "password": Key(readers.secret(), secret=True),
        "api_key": Key(readers.api_key, secret=True),
        "scopes": Key(readers.words(of=SCOPES)),
        "webhook_secret": Key(readers.webhook_secret, secret=True),
        "routing_profile": _PROFILE,
    },
)
SMPP_CLIENT: Final = Kind(
    "smpp_client",
    "an SMPP client",
    "system_id",
    {
        **_columns(
            SmppClient,
            "system_id",
            "active",
            "max_binds",
            "bind_modes",
            "tls_only",
            "ip_whitelist",
            "tps",
            "window",
            "deliver_window",
            "enquire_link_seconds",
            "inactivity_seconds",
            "default_alphabet",
            "id_style",
            "receipt_options",
            "default_sender",
            "traffic_class",
            "otp_allowed",
            readers_of={
                **_NETWORKS,
                **_SENDER,
                "bind_modes": readers.words(of=BIND_MODES),
                "receipt_options": readers.words(of=RECEIPT_OPTIONS),
            },
        ),
        "password": Key(readers.smpp_password, secret=True),
        "routing_profile": _PROFILE,
    },
)
WEBHOOK: Final = Kind(
    "webhook",
    "a webhook",
    "name",
    {
        **_columns(
            WebhookEndpoint,
            "name",
            "url",
            "events",
            "active",
            readers_of={"url": readers.web_address, "events": readers.words(of=EVENTS)},
        ),
        "secret": Key(readers.webhook_secret, secret=True),
    },
    required=("url", "events"),
)
ACCOUNT: Final = Kind(
    "account",
    "an account",
    "name",
    {
        **_columns(
            Account,
            "name",
            "company",
            "email",
            "phone",
            "active",
            "billing_mode",
            "charge_on",
            "tps",
            "daily_limit",
            "over_limit",
            "max_parts",
            "sender_policy",
            "default_sender",
            "intermediate_dlr",
            "mask_connector",
            "ip_whitelist",
            "time_zone",
            "language",
            readers_of={**_NETWORKS, **_SENDER, "time_zone": readers.time_zone},
        ),
        **_columns(Wallet, "unlimited", "credit_limit", part="wallet"),
        "credits": Key(readers.for_column(Wallet._meta.get_field("balance"))),
        "parent": Key(_nullable(readers.text)),
        "group": Key(_nullable(_name_of(Group).read)),
        "routing_profile": _PROFILE,
        "senders": Key(readers.words(each=readers.named_sender)),
    },
    {"api_clients": API_CLIENT, "smpp_clients": SMPP_CLIENT, "users": USER, "webhooks": WEBHOOK},
)
CONNECTOR: Final = Kind(
    "connector",
    "a connector",
    "name",
    {
        **_columns(
            Connector,
            "name",
            "kind",
            "channel",
            "provider",
            "active",
            "desired",
            "host",
            "port",
            "more_hosts",
            "use_tls",
            "tls_verify",
            "tls_server_name",
            "tls_ca",
            "tls_certificate",
            "system_id",
            "system_type",
            "address_range",
            "interface_version",
            "binds",
            "window",
            "tps",
            "carrier_account",
            "service_type",
            "source_ton",
            "source_npi",
            "dest_ton",
            "dest_npi",
            "default_alphabet",
            "long_messages",
            "dlr_parts",
            "id_rule",
            "tlv_dictionary",
            "error_classes",
            "uncertain_policy",
            "default_validity",
            "max_attempts",
            "failover_after",
            "receipt_timeout",
            "connect_timeout",
            "bind_timeout",
            "enquire_link_interval",
            "enquire_link_timeout",
            "response_timeout",
            "inactivity_timeout",
            "pdu_read_timeout",
            "reconnect_max",
            bind="bind_mode",
            readers_of={
                "uncertain_policy": readers.table(keys=[lane.value for lane in Lane], value=readers.one_of(UNCERTAIN)),
                "error_classes": readers.table(
                    pattern="[0-9]{1,10}", value=readers.one_of([kind.value for kind in SendKind])
                ),
                "tlv_dictionary": readers.table(value=readers.tlv),
                "more_hosts": readers.words(),
            },
        ),
        **_columns(ConnectorProfile, "currency", "monthly_limit", part="profile", cost="cost_per_message"),
        "password": Key(readers.carrier_password, secret=True),
        "tls_key": Key(readers.secret(longest=20_000), secret=True),
    },
    required=("host",),
)
ROUTE: Final = Kind(
    "route",
    "a route",
    "",
    {
        **_columns(MtRoute, "prefix", "order", "sender", "rate", "active", readers_of=_SENDER),
        "connectors": Key(readers.words()),
    },
    required=("prefix", "connectors"),
)
ROUTING_PROFILE: Final = Kind(
    "routing_profile",
    "a routing profile",
    "name",
    _columns(RoutingProfile, "name", "active", "sender", readers_of=_SENDER, default="is_default"),
    {"routes": ROUTE},
)
SECTIONS: Final[dict[str, Kind]] = {
    "permission_groups": PERMISSION_GROUP,
    "connectors": CONNECTOR,
    "routing_profiles": ROUTING_PROFILE,
    "accounts": ACCOUNT,
    "staff": STAFF,
}
# Senders that every account may use: a plain list at the top.
GLOBAL_SENDERS: Final = "senders"
read_global_senders: Final = readers.words(each=readers.named_sender)
