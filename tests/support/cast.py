"""The cast of the tests: customers with what they need to send, and lines that carry it.

Every function returns saved rows and makes the in-memory snapshots forget what they knew, so that the next
`accounts()`, `connectors()` or `routing_table()` sees the new rows.
"""

import importlib
import itertools
import os
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from django.contrib.auth.hashers import make_password

from accounts.models import Account, ApiClient, ApiKey, Role, SmppClient, User, WebhookEndpoint
from accounts.snapshot import AccountView, ClientView, accounts
from billing.models import Wallet
from billing.services import open_wallet, top_up
from common import secrets
from common.site import Snapshot
from connectors.models import Connector, ConnectorProfile
from routing.models import MtRoute, ProfileAssignment, RouteConnector, RoutingProfile

PASSWORD = "s3cret-Pa55"
SMPP_PASSWORD = "Pa55word"
NUMBER = "971501234567"
_SNAPSHOT_MODULES = ("accounts.snapshot", "connectors.snapshot", "messaging.signers", "routing.snapshot")
_numbers = itertools.count(1)


def unique(word: str) -> str:
    """A name that no other row of this run has."""
    return f"{word}-{os.getpid()}-{next(_numbers)}"


def forget_snapshots() -> None:
    """Let every configuration snapshot be built anew (a rolled back test leaves versions that lie)."""
    for name in _SNAPSHOT_MODULES:
        if find_spec(name) is None:
            continue
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Snapshot):
                value.clear()


def make_account(
    name: str | None = None,
    *,
    credits: str | int | Decimal = "100",
    credit_limit: str | int | Decimal = "0",
    unlimited: bool = False,
    **fields: Any,
) -> Account:
    """An active account with a wallet that holds `credits`, topped up through the ledger."""
    account = Account.objects.create(name=name or unique("account"), **fields)
    open_wallet(account=account, unlimited=unlimited, credit_limit=Decimal(credit_limit))
    if Decimal(credits):
        top_up(account=account, amount=Decimal(credits), nonce="opening", actor="cast")
    forget_snapshots()
    return account


def make_client(account: Account, *, password: str = PASSWORD, **fields: Any) -> ApiClient:
    """An API client of the account without a rate limit."""
    values = {"username": unique("client"), "rate_limit": 0, "password": make_password(password), **fields}
    client = ApiClient.objects.create(account=account, **values)
    forget_snapshots()
    return client


def make_key(client: ApiClient, plain: str | None = None, **fields: Any) -> str:
    """A key of the client; returns the plain key."""
    plain = plain or f"httpapi_{secrets.random_token()}"
    ApiKey.objects.create(
        account=client.account, api_client=client, prefix=plain[:12], key_hash=secrets.digest(plain), **fields
    )
    forget_snapshots()
    return plain


def make_smpp_client(account: Account, *, password: str = SMPP_PASSWORD, **fields: Any) -> SmppClient:
    """Bind credentials of the account."""
    values = {"system_id": f"esme{os.getpid()}{next(_numbers)}"[:15], "password": make_password(password), **fields}
    client = SmppClient.objects.create(account=account, **values)
    forget_snapshots()
    return client


def make_endpoint(
    account: Account, url: str, events: tuple[str, ...] = ("dlr", "mo"), **fields: Any
) -> WebhookEndpoint:
    """A webhook endpoint of the account."""
    values = {"name": unique("endpoint"), **fields}
    endpoint = WebhookEndpoint.objects.create(account=account, url=url, events=list(events), **values)
    forget_snapshots()
    return endpoint


def make_user(
    account: Account | None = None, *, role: str | None = None, password: str = PASSWORD, **fields: Any
) -> User:
    """A person: a member of the account, or staff (superadmin by default) without one."""
    chosen = role or (Role.ENTERPRISE if account else Role.SUPERADMIN)
    user = User(username=fields.pop("username", unique("user")), account=account, role=chosen, **fields)
    user.set_password(password)
    user.save()
    return user


def make_connector(name: str | None = None, *, cost: str | Decimal = "0", **fields: Any) -> Connector:
    """An active SMPP connector on loopback with a profile that says what a part costs us."""
    values = {"host": "127.0.0.1", "port": 2776, "system_id": "gateway", "password": "secret", **fields}
    connector = Connector.objects.create(name=name or unique("line"), **values)
    ConnectorProfile.objects.create(connector=connector, cost_per_message=Decimal(cost))
    forget_snapshots()
    return connector


def make_route(
    profile: RoutingProfile, *connectors: Connector, prefix: str = "", rate: str | Decimal = "1", **fields: Any
) -> MtRoute:
    """A route of the profile over the connectors in this order."""
    route = MtRoute.objects.create(profile=profile, prefix=prefix, rate=Decimal(rate), **fields)
    for position, connector in enumerate(connectors):
        RouteConnector.objects.create(route=route, connector=connector, position=position)
    forget_snapshots()
    return route


def make_profile(
    *connectors: Connector,
    assigned_to: Account | ApiClient | SmppClient | None = None,
    prefix: str = "",
    rate: str | Decimal = "1",
    sender: str = "GATEWAY",
    **fields: Any,
) -> RoutingProfile:
    """A profile with one route (all numbers by default) over the connectors; without any it has no route."""
    profile = RoutingProfile.objects.create(name=fields.pop("name", unique("profile")), sender=sender, **fields)
    if connectors:
        make_route(profile, *connectors, prefix=prefix, rate=rate)
    if assigned_to is not None:
        assign(profile, assigned_to)
    forget_snapshots()
    return profile


def assign(profile: RoutingProfile, to: Account | ApiClient | SmppClient) -> None:
    """Let an account or a credential use the profile."""
    field = {Account: "account", ApiClient: "api_client", SmppClient: "smpp_client"}[type(to)]
    ProfileAssignment.objects.create(profile=profile, **{field: to})
    forget_snapshots()


@dataclass(frozen=True, slots=True)
class Cast:
    """A customer who can send: account with credits, API client, profile with one route over one connector."""

    account: Account
    client: ApiClient
    connector: Connector
    profile: RoutingProfile

    @property
    def view(self) -> AccountView:
        """The account as the hot path sees it (accounts.snapshot.AccountView)."""
        return self.client_view.account

    @property
    def client_view(self) -> ClientView:
        """The API client as the hot path sees it (accounts.snapshot.ClientView)."""
        found = accounts().client(self.client.pk)
        assert found is not None
        return found

    @property
    def balance(self) -> Decimal:
        """Credits now, from the database."""
        return Wallet.objects.get(account=self.account).balance


def customer(
    credits: str | int | Decimal = "100",
    *,
    connector: Connector | None = None,
    rate: str | Decimal = "1",
    sender: str = "GATEWAY",
    client: dict[str, Any] | None = None,
    **account: Any,
) -> Cast:
    """A customer with everything needed to send; `client` and further keywords are fields of the rows."""
    owner = make_account(credits=credits, **account)
    line = connector or make_connector()
    profile = make_profile(line, assigned_to=owner, rate=rate, sender=sender)
    return Cast(owner, make_client(owner, **(client or {})), line, profile)


def stranger(credits: str | int | Decimal = "100") -> Cast:
    """Another customer, who must be refused whatever belongs to the first."""
    return customer(credits)
