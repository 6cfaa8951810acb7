"""Who calls: API keys, user name and password, SMPP bind credentials.

All look-ups are in memory. Every refusal of a credential says the same words, whatever was wrong with it, and costs
the same time for a known and an unknown name (reliability S4, S5, S31).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from accounts import last_used
from accounts.addresses import neighbourhood
from accounts.gate import Gate, admit, key_guesses, refused, too_many
from accounts.guessing import Delay
from accounts.snapshot import AccountView, ClientView, SmppClientView, accounts
from accounts.verification import VerificationLine
from common.clock import Monotonic, monotonic, utc_now
from common.errors import Code, Rejected
from common.secrets import digest

SCOPES = frozenset({"send", "read", "balance"})


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated machine: its account, its client, and what it may do."""

    account: AccountView
    client: ClientView
    scopes: frozenset[str] = SCOPES
    key_id: int | None = None

    def require(self, scope: str) -> None:
        """Raise Rejected(FORBIDDEN) unless the credential carries the scope."""
        if scope not in self.scopes:
            raise Rejected(Code.FORBIDDEN, f"The credential lacks the scope {scope}")


def by_key(key: str, *, address: str) -> Caller:
    """The caller behind an API key; raises Rejected. Memory only, safe on an event loop.

    Unknown, revoked and expired keys are refused alike. Wrong keys slow further wrong keys of the same address down,
    never a right one, nor passwords.
    """
    found = accounts().key_by_hash(digest(key))
    if found is None or not found.active or (found.expires_at and found.expires_at <= utc_now()):
        guesser = f"key:{neighbourhood(address)}"
        wait = key_guesses().wait(guesser)
        if wait > 0:
            raise too_many(wait)
        key_guesses().failed(guesser)
        raise refused()
    admit(found.client, address=address, networks=found.networks)
    last_used.keys.note(found.id)
    last_used.clients.note(found.client.id)
    return Caller(found.client.account, found.client, found.scopes or SCOPES, found.id)


class PasswordGate:
    """User name and password of HTTP API accounts (S0-126, S0-127); one per process.

    Credentials in the URL count only where the client allows them; elsewhere they are wrong credentials.
    """

    def __init__(
        self,
        *,
        verification: VerificationLine | None = None,
        delay: Delay | None = None,
        clock: Monotonic = monotonic,
    ) -> None:
        def find(username: str) -> ClientView | None:
            return accounts().client_by_username(username)

        self._gate: Gate[ClientView] = Gate("api", find, verification=verification, delay=delay, clock=clock)

    def known(self, username: str, password: str, *, address: str, in_url: bool) -> Caller | None:
        """The caller when the password was right within the last 60 s, else None; raises SUSPENDED, FORBIDDEN.

        Memory only and without hashing: safe on an event loop. Never delayed.
        """
        client = self._gate.known(username, password, may=_url_rule(in_url))
        return None if client is None else _admitted(client, address)

    async def verify(self, username: str, password: str, *, address: str, in_url: bool) -> Caller:
        """The caller; raises Rejected(INVALID_CREDENTIALS | TOO_MANY_ATTEMPTS | SUSPENDED | FORBIDDEN)."""
        caller = self.known(username, password, address=address, in_url=in_url)
        if caller is not None:
            return caller
        may = _url_rule(in_url)
        return _admitted(await self._gate.verify(username, password, address=address, may=may), address)

    def verify_sync(self, username: str, password: str, *, address: str, in_url: bool) -> Caller:
        """As `verify`, for threads."""
        caller = self.known(username, password, address=address, in_url=in_url)
        if caller is not None:
            return caller
        may = _url_rule(in_url)
        return _admitted(self._gate.verify_sync(username, password, address=address, may=may), address)


class BindGate:
    """system_id and password of SMPP clients (S0-108); one per process."""

    def __init__(
        self,
        *,
        verification: VerificationLine | None = None,
        delay: Delay | None = None,
        clock: Monotonic = monotonic,
    ) -> None:
        def find(system_id: str) -> SmppClientView | None:
            return accounts().smpp_by_system_id(system_id)

        self._gate: Gate[SmppClientView] = Gate("esme", find, verification=verification, delay=delay, clock=clock)

    async def verify(self, system_id: str, password: str, *, address: str) -> SmppClientView:
        """The client; raises Rejected(INVALID_CREDENTIALS | TOO_MANY_ATTEMPTS | SUSPENDED | FORBIDDEN)."""
        client = self._gate.known(system_id, password, may=_always)
        if client is None:
            client = await self._gate.verify(system_id, password, address=address, may=_always)
        admit(client, address=address)
        return client


@cache
def password_gate() -> PasswordGate:
    """The gate that fast lane and Django share in this process."""
    return PasswordGate()


@cache
def bind_gate() -> BindGate:
    """The gate of this process's SMPP server."""
    return BindGate()


def _url_rule(in_url: bool) -> Callable[[ClientView], bool]:
    return _url_allowed if in_url else _always


def _url_allowed(client: ClientView) -> bool:
    return client.url_credentials


def _always(client: object) -> bool:
    return True


def _admitted(client: ClientView, address: str) -> Caller:
    admit(client, address=address)
    last_used.clients.note(client.id)
    return Caller(client.account, client)
