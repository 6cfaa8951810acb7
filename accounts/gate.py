"""The gate where a name and a password are checked: memory first, then delay, then the password thread."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Generic, Protocol, TypeVar

from django.conf import settings

from accounts.addresses import Networks, admits, neighbourhood
from accounts.guessing import Delay, GuessDelay, SharedGuessDelay
from accounts.snapshot import AccountView
from accounts.verification import RightAnswers, VerificationLine
from common.clock import Monotonic, monotonic
from common.errors import Code, Rejected, Unavailable

VERIFY_TIMEOUT = 10.0  # seconds; a full line of 33 takes about one
MOST_TRUSTED = 10_000


class Credential(Protocol):
    """What a gate needs of a client of either kind."""

    @property
    def id(self) -> int: ...
    @property
    def account(self) -> AccountView: ...
    @property
    def active(self) -> bool: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def password_hash(self) -> str: ...


C = TypeVar("C", bound=Credential)
T = TypeVar("T")


def refused() -> Rejected:
    """The one answer to every wrong credential (S0-132)."""
    return Rejected(Code.INVALID_CREDENTIALS, "Invalid credentials")


def too_many(wait: float) -> Rejected:
    """The answer while a guesser has to wait."""
    return Rejected(Code.TOO_MANY_ATTEMPTS, "Too many attempts", retry_after=wait)


def admit(credential: Credential, *, address: str, networks: Networks = ()) -> None:
    """After the credential itself was right: raise SUSPENDED, or FORBIDDEN when a whitelist lacks the address."""
    if not (credential.active and credential.account.active):
        raise Rejected(Code.SUSPENDED, "Account suspended")
    for listed in (credential.account.networks, credential.networks, networks):
        if not admits(listed, address):
            raise Rejected(Code.FORBIDDEN, "address not allowed")


@cache
def guesses() -> Delay:
    """The guess delay for passwords: of all processes together where there is a Redis. Not for event loops."""
    if settings.CACHE_URL.startswith("redis"):
        return SharedGuessDelay(settings.CACHE_URL, prefix=settings.GATEWAY_QUEUE_PREFIX)
    return GuessDelay()


@cache
def key_guesses() -> GuessDelay:
    """The guess delay for API keys, of this process: a key is too long to be guessed by many processes either."""
    return GuessDelay()


@cache
def line() -> VerificationLine:
    """The password thread of this process."""
    return VerificationLine()


def _refuse_while(wait: float) -> None:
    if wait > 0:
        raise too_many(wait)


class Gate(Generic[C]):
    """Checks name and password of one kind of client: memory first, then delay, then the password thread.

    `find` looks a name up in the snapshot. Where a name was right from an address before, only failures of that name
    from that address delay it: others cannot lock it out (S4).
    """

    def __init__(
        self,
        kind: str,
        find: Callable[[str], C | None],
        *,
        verification: VerificationLine | None = None,
        delay: Delay | None = None,
        clock: Monotonic = monotonic,
    ) -> None:
        self._kind, self._find = kind, find
        self._line = line() if verification is None else verification
        self._delay = guesses() if delay is None else delay
        self._right = RightAnswers(clock=clock)
        self._trusted: OrderedDict[str, None] = OrderedDict()

    def known(self, name: str, password: str, *, may: Callable[[C], bool]) -> C | None:
        """The client when this password was verified within the last minute; None: it must be verified."""
        found = self._find(name)
        if found is None or not may(found) or not self._right.knows(found.password_hash, password):
            return None
        return found

    async def verify(self, name: str, password: str, *, address: str, may: Callable[[C], bool]) -> C:
        """Verify without holding the event loop up; raises Rejected."""
        _refuse_while(await self._off_loop(self._delay.wait, *self._guessers(name, address)))
        found, future = self._begin(name, password)
        try:
            right = await asyncio.wait_for(asyncio.wrap_future(future), VERIFY_TIMEOUT)
        except TimeoutError as error:
            raise Unavailable from error
        if found is None or not right or not may(found):
            await self._off_loop(self._delay.failed, *self._guessers(name, address))
            raise refused()
        await self._off_loop(self._delay.forgive, *self._own(name, address))
        return self._remember(found, name, password, address=address)

    def verify_sync(self, name: str, password: str, *, address: str, may: Callable[[C], bool]) -> C:
        """Verify in a thread that may wait; raises Rejected."""
        _refuse_while(self._delay.wait(*self._guessers(name, address)))
        found, future = self._begin(name, password)
        try:
            right = future.result(VERIFY_TIMEOUT)
        except TimeoutError as error:
            future.cancel()
            raise Unavailable from error
        if found is None or not right or not may(found):
            self._delay.failed(*self._guessers(name, address))
            raise refused()
        self._delay.forgive(*self._own(name, address))
        return self._remember(found, name, password, address=address)

    async def _off_loop(self, call: Callable[..., T], *keys: str) -> T:
        """A delay that asks Redis is asked in a thread."""
        return await asyncio.to_thread(call, *keys) if self._delay.asks else call(*keys)

    def _begin(self, name: str, password: str) -> "tuple[C | None, Future[bool]]":
        found = self._find(name)
        return found, self._line.begin(password, found.password_hash if found else None)

    def _remember(self, found: C, name: str, password: str, *, address: str) -> C:
        self._right.remember(found.password_hash, password)
        self._trust(self._pair(name, address))
        return found

    def _guessers(self, name: str, address: str) -> tuple[str, ...]:
        """The keys under which failures of this name from this address count."""
        pair = self._pair(name, address)
        if pair in self._trusted:
            return (pair,)
        return (f"{self._kind}@{neighbourhood(address)}", self._named(name))

    def _own(self, name: str, address: str) -> tuple[str, ...]:
        # The address is not forgiven: one valid account would buy free guesses at all the others.
        return (self._pair(name, address), self._named(name))

    def _named(self, name: str) -> str:
        return f"{self._kind}:{name[:64]}"

    def _pair(self, name: str, address: str) -> str:
        return f"{self._kind}:{name[:64]}@{neighbourhood(address)}"

    def _trust(self, pair: str) -> None:
        self._trusted[pair] = None
        while len(self._trusted) > MOST_TRUSTED:
            self._trusted.popitem(last=False)
