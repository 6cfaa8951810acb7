"""The connectors in memory: what routing and the bind worker read, at most a second behind the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from common import secrets
from common.site import Snapshot
from connectors.hosts import Place, places
from connectors.models import TOPIC, Connector, Desired


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorView:
    """One connector as it was configured; seconds for timers, credits per part for `cost`.

    Secrets stay encrypted until `password` or `tls_key` is read, and never show in repr. `carrier_account` is
    the connector's own name where none was given.
    """

    id: int
    name: str
    kind: str
    channel: str
    provider: str
    active: bool
    desired: str
    generation: int
    host: str
    port: int
    more_hosts: Sequence[str]
    use_tls: bool
    tls_verify: bool
    tls_server_name: str
    tls_ca: str
    tls_certificate: str
    system_id: str
    system_type: str
    address_range: str
    interface_version: int
    bind_mode: str
    binds: int
    window: int
    tps: int
    carrier_account: str
    service_type: str
    source_ton: int
    source_npi: int
    dest_ton: int
    dest_npi: int
    default_alphabet: str
    long_messages: str
    dlr_parts: str
    id_rule: str
    tlv_dictionary: Mapping[str, Any]
    error_classes: Mapping[str, str]
    uncertain_policy: Mapping[str, str]
    default_validity: int
    max_attempts: int
    failover_after: int
    receipt_timeout: int
    connect_timeout: int
    bind_timeout: int
    enquire_link_interval: int
    enquire_link_timeout: int
    response_timeout: int
    inactivity_timeout: int
    pdu_read_timeout: int
    reconnect_max: int
    cost: Decimal
    currency: str
    monthly_limit: int
    password_token: str = field(repr=False)
    tls_key_token: str = field(repr=False)

    @property
    def password(self) -> str:
        """The bind password; raises ImproperlyConfigured when no key opens it."""
        return secrets.decrypt(self.password_token)

    @property
    def tls_key(self) -> str:
        """PEM of our private key; raises ImproperlyConfigured when no key opens it."""
        return secrets.decrypt(self.tls_key_token)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every host and port of the carrier, the first one first."""
        return places(self.host, self.port, self.more_hosts)

    @property
    def wanted(self) -> bool:
        """Whether binds should be held: switched on, and started or with messages to get rid of."""
        return self.active and self.desired in (Desired.STARTED, Desired.DRAINING)

    @property
    def candidate(self) -> bool:
        """Whether it may be given messages: switched on, and not being emptied."""
        return self.active and self.desired not in (Desired.DRAINING, Desired.DRAINED)


class ConnectorsSnapshot:
    """All connectors at one version, found by id, name or carrier account."""

    __slots__ = ("_by_carrier", "by_id", "by_name")

    def __init__(self, views: Iterable[ConnectorView]) -> None:
        listed = list(views)
        self.by_id: Mapping[int, ConnectorView] = MappingProxyType({view.id: view for view in listed})
        self.by_name: Mapping[str, ConnectorView] = MappingProxyType({view.name: view for view in listed})
        carriers: dict[str, list[int]] = {}
        for view in listed:
            carriers.setdefault(view.carrier_account, []).append(view.id)
        self._by_carrier = carriers

    @property
    def carrier_accounts(self) -> list[str]:
        """Every carrier account that has a connector, by name."""
        return sorted(self._by_carrier)

    def of_carrier(self, carrier_account: str) -> list[int]:
        """Ids of the connectors whose receipts match each other's messages; empty when there is none."""
        return list(self._by_carrier.get(carrier_account, ()))


_JOINED = {
    "cost": "profile__cost_per_message",
    "currency": "profile__currency",
    "monthly_limit": "profile__monthly_limit",
}
_WITHOUT_PROFILE = {"cost": Decimal(0), "currency": "", "monthly_limit": 0}
_TOKENS = {"password_token": "password", "tls_key_token": "tls_key"}
_PLAIN = [item.name for item in fields(ConnectorView) if item.name not in {**_JOINED, **_TOKENS}]


def _build() -> ConnectorsSnapshot:
    return ConnectorsSnapshot(_read(Connector.objects.order_by("name")))


def _read(rows: QuerySet[Connector]) -> list[ConnectorView]:
    # Cast reads the column as plain text, so the encrypted token comes as it lies.
    tokens = {name: Cast(column, TextField()) for name, column in _TOKENS.items()}
    return [_view(row) for row in rows.annotate(**tokens).values(*_PLAIN, *_TOKENS, *_JOINED.values())]


def view_of(connector_id: int) -> ConnectorView:
    """One connector as the database has it now; raises LookupError when it is gone."""
    found = _read(Connector.objects.filter(pk=connector_id))
    if not found:
        raise LookupError(f"connector {connector_id} is gone")
    return found[0]


def _view(row: dict[str, Any]) -> ConnectorView:
    for name, column in _JOINED.items():
        value = row.pop(column)
        row[name] = _WITHOUT_PROFILE[name] if value is None else value
    row["carrier_account"] = row["carrier_account"] or row["name"]
    row["more_hosts"] = row["more_hosts"] or []  # a JSON null of a hand in the database must not stop every line
    return ConnectorView(**row)


# One per process by nature: every thread reads the same configuration.
_snapshot = Snapshot((TOPIC,), _build)


def connectors() -> ConnectorsSnapshot:
    """The connectors as they are now, at most a second old."""
    return _snapshot.get()
