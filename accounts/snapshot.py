"""Accounts and their credentials as every process holds them in memory, at most a second behind the database."""

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.addresses import Networks, stored
from accounts.models import Account, ApiClient, ApiKey, SmppClient, WebhookEndpoint
from accounts.models.account import TOPIC
from common.site import Snapshot


@dataclass(frozen=True, slots=True)
class AccountView:
    """What requests need to know of an account."""

    id: int
    name: str
    active: bool
    billing_mode: str
    charge_on: str
    tps: int
    daily_limit: int
    over_limit: str
    max_parts: int
    sender_policy: str
    default_sender: str
    intermediate_dlr: bool
    mask_connector: bool
    networks: Networks
    time_zone: str


@dataclass(frozen=True, slots=True)
class ClientView:
    """What requests need to know of an HTTP API account."""

    id: int
    account: AccountView
    username: str
    active: bool
    url_credentials: bool
    rate_limit: int
    daily_limit: int
    spending_cap: Decimal | None
    default_sender: str
    traffic_class: str
    otp_allowed: bool
    dlr_url: str
    networks: Networks
    password_hash: str


@dataclass(frozen=True, slots=True)
class SmppClientView:
    """What the SMPP server needs to know of an ESME account."""

    id: int
    account: AccountView
    system_id: str
    active: bool
    max_binds: int
    bind_modes: frozenset[str]  # empty: all
    tls_only: bool
    tps: int
    window: int
    deliver_window: int
    enquire_link_seconds: int
    inactivity_seconds: int
    default_alphabet: str
    id_style: str
    receipt_options: frozenset[str]
    default_sender: str
    traffic_class: str
    otp_allowed: bool
    networks: Networks
    password_hash: str


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key by the SHA-256 of its text; no scopes: all."""

    id: int
    hash: str
    client: ClientView
    scopes: frozenset[str]
    active: bool
    expires_at: datetime | None
    networks: Networks


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An active webhook of an account and the events it asked for (dlr, mo)."""

    id: int
    account_id: int
    url: str
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccountsSnapshot:
    """Look-ups by id and by what a caller presents; all answer None (or nothing) for the unknown."""

    _accounts: dict[int, AccountView]
    _clients: dict[int, ClientView]
    _names: dict[str, ClientView]
    _keys: dict[str, KeyView]
    _smpp: dict[int, SmppClientView]
    _system_ids: dict[str, SmppClientView]
    _endpoints: dict[int, tuple[EndpointView, ...]]

    def account(self, account_id: int) -> AccountView | None:
        """The account with this id."""
        return self._accounts.get(account_id)

    def client(self, client_id: int) -> ClientView | None:
        """The HTTP API account with this id."""
        return self._clients.get(client_id)

    def client_by_username(self, username: str) -> ClientView | None:
        """The HTTP API account with this user name."""
        return self._names.get(username)

    def key_by_hash(self, key_hash: str) -> KeyView | None:
        """The API key whose SHA-256 this is."""
        return self._keys.get(key_hash)

    def smpp(self, smpp_client_id: int) -> SmppClientView | None:
        """The ESME account with this id."""
        return self._smpp.get(smpp_client_id)

    def smpp_by_system_id(self, system_id: str) -> SmppClientView | None:
        """The ESME account with this system_id."""
        return self._system_ids.get(system_id)

    def endpoints(self, account_id: int, event: str) -> tuple[EndpointView, ...]:
        """The account's active webhooks that asked for the event."""
        return tuple(found for found in self._endpoints.get(account_id, ()) if event in found.events)


def accounts() -> AccountsSnapshot:
    """The present snapshot; raises what the database raises only when there has never been one."""
    return _snapshot.get()


def forget() -> None:
    """Build the snapshot anew at the next look."""
    _snapshot.clear()


def keep_fresh(stop: threading.Event) -> threading.Thread:
    """Keep the snapshot fresh from a thread until `stop`: what an event loop needs, which may not ask the database."""
    return _snapshot.keep_fresh(stop)


def _build() -> AccountsSnapshot:
    owners = {row.pk: _account(row) for row in Account.objects.all()}
    # Secrets are deferred: a lost encryption key stops webhooks, not sending.
    # Rows that were added since the owners were read wait for the next look: the version has moved again.
    clients = {
        row.pk: _client(row, owners) for row in ApiClient.objects.defer("webhook_secret") if row.account_id in owners
    }
    smpp = {row.pk: _smpp(row, owners) for row in SmppClient.objects.all() if row.account_id in owners}
    keys = (_key(row, clients) for row in ApiKey.objects.all() if row.api_client_id in clients)
    return AccountsSnapshot(
        owners,
        clients,
        {view.username: view for view in clients.values()},
        {view.hash: view for view in keys},
        smpp,
        {view.system_id: view for view in smpp.values()},
        _endpoints(),
    )


_snapshot = Snapshot((TOPIC,), _build)


def _account(row: Account) -> AccountView:
    return AccountView(
        id=row.pk,
        name=row.name,
        active=row.active,
        billing_mode=row.billing_mode,
        charge_on=row.charge_on,
        tps=row.tps,
        daily_limit=row.daily_limit,
        over_limit=row.over_limit,
        max_parts=row.max_parts,
        sender_policy=row.sender_policy,
        default_sender=row.default_sender,
        intermediate_dlr=row.intermediate_dlr,
        mask_connector=row.mask_connector,
        networks=stored(row.ip_whitelist, owner=f"account {row.name}"),
        time_zone=row.time_zone,
    )


def _client(row: ApiClient, owners: dict[int, AccountView]) -> ClientView:
    return ClientView(
        id=row.pk,
        account=owners[row.account_id],
        username=row.username,
        active=row.active,
        url_credentials=row.url_credentials,
        rate_limit=row.rate_limit,
        daily_limit=row.daily_limit,
        spending_cap=row.spending_cap,
        default_sender=row.default_sender,
        traffic_class=row.traffic_class,
        otp_allowed=row.otp_allowed,
        dlr_url=row.dlr_url,
        networks=stored(row.ip_whitelist, owner=f"API client {row.username}"),
        password_hash=row.password,
    )


def _smpp(row: SmppClient, owners: dict[int, AccountView]) -> SmppClientView:
    return SmppClientView(
        id=row.pk,
        account=owners[row.account_id],
        system_id=row.system_id,
        active=row.active,
        max_binds=row.max_binds,
        bind_modes=frozenset(row.bind_modes),
        tls_only=row.tls_only,
        tps=row.tps,
        window=row.window,
        deliver_window=row.deliver_window,
        enquire_link_seconds=row.enquire_link_seconds,
        inactivity_seconds=row.inactivity_seconds,
        default_alphabet=row.default_alphabet,
        id_style=row.id_style,
        receipt_options=frozenset(row.receipt_options),
        default_sender=row.default_sender,
        traffic_class=row.traffic_class,
        otp_allowed=row.otp_allowed,
        networks=stored(row.ip_whitelist, owner=f"SMPP client {row.system_id}"),
        password_hash=row.password,
    )


def _key(row: ApiKey, clients: dict[int, ClientView]) -> KeyView:
    return KeyView(
        id=row.pk,
        hash=row.key_hash,
        client=clients[row.api_client_id],
        scopes=frozenset(row.scopes),
        active=row.active,
        expires_at=row.expires_at,
        networks=stored(row.ip_whitelist, owner=f"API key {row.prefix}"),
    )


def _endpoints() -> dict[int, tuple[EndpointView, ...]]:
    found: dict[int, tuple[EndpointView, ...]] = {}
    for row in WebhookEndpoint.objects.filter(active=True).defer("secret").order_by("pk"):
        view = EndpointView(row.pk, row.account_id, row.url, frozenset(row.events))
        found[row.account_id] = (*found.get(row.account_id, ()), view)
    return found
