"""Who may post next: no endpoint and no customer takes the places of the others (design rule P8).

An endpoint is a URL without its query. It is trusted while it answers quickly. What is new or slow shares half of
all places, and one customer gets few of those however many URLs, names or hosts the customer thinks up.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from uuid import UUID

from messaging.due import Skip
from messaging.webhooks import Claimed
from workers.holding import MARGIN

IN_FLIGHT: Final = 500
PER_ENDPOINT: Final = 16
FIRST: Final = 4  # places of an endpoint that never answered yet
DOUBTFUL_IN_FLIGHT: Final = 250  # places for endpoints that are new or slow, all together
DOUBTFUL_OF_ACCOUNT: Final = 64  # deliveries in hand for such endpoints of one customer
HELD: Final = 3_000  # deliveries in hand: claimed and not posted yet, or in flight
HELD_DOUBTFUL: Final = 500
QUEUED: Final = 2_000  # in hand for one endpoint; more stay in the table
PATIENCE: Final = 4.0  # seconds for which an endpoint may have work in hand: what does not fly soon is left to others
SLOW: Final = 2.0  # seconds that a try takes at an endpoint that is not trusted
TIMEOUT: Final = 10.0  # seconds in all for one try (S0-140)
REMEMBERED: Final = 5_000


class Wanted(Protocol):
    """A delivery for which room is asked."""

    @property
    def id(self) -> UUID: ...
    @property
    def account_id(self) -> int: ...
    @property
    def endpoint(self) -> str: ...


W = TypeVar("W", bound=Wanted)


@dataclass(slots=True, eq=False)
class Endpoint:
    """How one endpoint behaves, and what is in hand for it; `seconds` is how long a try takes, None before one."""

    name: str
    allowed: int = FIRST
    seconds: float | None = None
    flying: int = 0
    held: Counter[int] = field(default_factory=Counter)  # by account: chosen, waiting or flying
    waiting: deque[tuple[float, Claimed]] = field(default_factory=deque)

    @property
    def slow(self) -> bool:
        return self.seconds is not None and self.seconds >= SLOW

    @property
    def trusted(self) -> bool:
        return self.seconds is not None and self.seconds < SLOW

    @property
    def room(self) -> int:
        """How many more may be taken in hand."""
        if self.trusted:
            most = min(QUEUED, int(self.allowed * PATIENCE / max(self.seconds or 0.0, 0.01)))
        else:
            most = self.allowed * 2 if self.seconds is None else self.allowed + 1
        return most - self.held.total()

    @property
    def may_fly(self) -> bool:
        return bool(self.waiting) and self.flying < self.allowed

    def learn(self, seconds: float, *, timed_out: bool) -> None:
        """One place after a timeout, two more after each answer in time."""
        self.allowed = 1 if timed_out else min(PER_ENDPOINT, self.allowed + 2)
        self.seconds = seconds if timed_out or self.seconds is None else (self.seconds + seconds) / 2

    def let_go(self, account_id: int, count: int = 1) -> None:
        self.held[account_id] -= count
        if self.held[account_id] <= 0:
            del self.held[account_id]


@dataclass(frozen=True, slots=True)
class Flight:
    """One try under way."""

    endpoint: Endpoint
    item: Claimed
    doubtful: bool


class Endpoints:
    """All endpoints with work in hand, and what is remembered of the others. For one event loop."""

    def __init__(self, kept: Callable[[int], bool] = lambda token: False) -> None:
        """`kept` tells of a token whether what was claimed under it stays ours although its lease ends."""
        self._kept = kept
        self._trusted: OrderedDict[str, Endpoint] = OrderedDict()
        self._doubted: OrderedDict[str, Endpoint] = OrderedDict()  # apart: many bad ones push no good one out
        self._busy: dict[str, Endpoint] = {}
        self._ready: OrderedDict[Endpoint, None] = OrderedDict()  # may fly; in turn
        self._parked: OrderedDict[Endpoint, None] = OrderedDict()  # may fly when a doubtful flight ends
        self._doubtful_flying = 0
        self.flying = 0
        self.held = 0
        self.late: list[Claimed] = []  # waited until their lease ended
        self.left_behind = False  # something that was due found no room, at an endpoint that is not slow

    def choose(self, due: Sequence[W]) -> list[W]:
        """Those for which there is room now, trusted endpoints first; they are held until `arrived` or `landed`."""
        doubtful = self._doubtful_held()
        chosen = []
        for item in due:
            endpoint = self._endpoint(item.endpoint)
            if self.held < HELD and endpoint.room > 0 and (endpoint.trusted or _open(doubtful, item.account_id)):
                chosen.append(item)
                doubtful[item.account_id] += not endpoint.trusted
                endpoint.held[item.account_id] += 1
                self._busy[endpoint.name] = endpoint
                self.held += 1
            elif not endpoint.slow:
                self.left_behind = True
        return sorted(chosen, key=lambda item: not self._busy[item.endpoint].trusted)

    def arrived(self, chosen: Sequence[Wanted], claimed: Sequence[Claimed], *, asked: float) -> None:
        """What was chosen is claimed, or somebody else's; `asked`: when we asked, in monotonic seconds; a lease is
        as old as that, however late the answer is heard of."""
        won = {item.id for item in claimed}
        last_start = asked - MARGIN
        for due in chosen:
            if due.id not in won:
                self._let_go(self._busy[due.endpoint], due.account_id)
        for item in claimed:
            endpoint = self._busy[item.endpoint]
            endpoint.waiting.append((last_start + item.seconds, item))
            self._line_up(endpoint)

    def next_flight(self) -> Flight | None:
        """Whose turn it is; None when nobody may fly."""
        while self._ready and self.flying < IN_FLIGHT:
            endpoint, _ = self._ready.popitem(last=False)
            if not endpoint.may_fly:  # fewer places since it lined up
                continue
            if not endpoint.trusted and self._doubtful_flying >= DOUBTFUL_IN_FLIGHT:
                self._parked[endpoint] = None
                continue
            last_start, item = endpoint.waiting.popleft()
            if time.monotonic() > last_start and not self._kept(item.token):
                self.late.append(item)
                self._let_go(endpoint, item.account_id)
                self._line_up(endpoint)
                continue
            return self._take_off(endpoint, item)
        return None

    def _take_off(self, endpoint: Endpoint, item: Claimed) -> Flight:
        flight = Flight(endpoint, item, doubtful=not endpoint.trusted)
        endpoint.flying += 1
        self.flying += 1
        self._doubtful_flying += flight.doubtful
        self._line_up(endpoint)
        return flight

    def landed(self, flight: Flight, seconds: float, *, timed_out: bool) -> None:
        """The try is over."""
        endpoint = flight.endpoint
        endpoint.flying -= 1
        self.flying -= 1
        endpoint.learn(seconds, timed_out=timed_out)
        if flight.doubtful:
            self._doubtful_flying -= 1
            if self._parked:
                self._ready[self._parked.popitem(last=False)[0]] = None
        self._remember(endpoint)
        self._let_go(endpoint, flight.item.account_id)
        self._line_up(endpoint)

    def empty(self) -> list[Claimed]:
        """Everything that waits, taken out of the lines."""
        unsent = [item for endpoint in self._busy.values() for _, item in endpoint.waiting]
        for endpoint in list(self._busy.values()):
            for _, item in endpoint.waiting:
                self._let_go(endpoint, item.account_id)
            endpoint.waiting.clear()
        self._ready.clear()
        self._parked.clear()
        return unsent

    def skip(self) -> Skip:
        """What need not be looked for in the table: there is no room for it."""
        doubtful = self._doubtful_held()
        accounts = [account_id for account_id, count in doubtful.items() if count >= DOUBTFUL_OF_ACCOUNT]
        strangers = doubtful.total() >= HELD_DOUBTFUL
        full = [endpoint for endpoint in self._busy.values() if endpoint.room <= 0]
        if any(not endpoint.slow for endpoint in full):
            self.left_behind = True
        trusted = list(self._trusted) if accounts or strangers else []
        return Skip([endpoint.name for endpoint in full], accounts, strangers, trusted)

    def _doubtful_held(self) -> Counter[int]:
        count: Counter[int] = Counter()
        for endpoint in self._busy.values():
            if not endpoint.trusted:
                count.update(endpoint.held)
        return count

    def _line_up(self, endpoint: Endpoint) -> None:
        if endpoint.may_fly and endpoint not in self._parked:
            self._ready[endpoint] = None

    def _let_go(self, endpoint: Endpoint, account_id: int) -> None:
        endpoint.let_go(account_id)
        self.held -= 1
        if not endpoint.held:
            self._busy.pop(endpoint.name, None)

    def _endpoint(self, name: str) -> Endpoint:
        return self._busy.get(name) or self._trusted.get(name) or self._doubted.get(name) or Endpoint(name)

    def _remember(self, endpoint: Endpoint) -> None:
        shelf, other = self._doubted, self._trusted
        if endpoint.trusted:
            shelf, other = other, shelf
            self._parked.pop(endpoint, None)
        other.pop(endpoint.name, None)
        shelf[endpoint.name] = endpoint
        shelf.move_to_end(endpoint.name)
        if len(shelf) > REMEMBERED:
            shelf.popitem(last=False)


def _open(doubtful: Counter[int], account_id: int) -> bool:
    return doubtful[account_id] < DOUBTFUL_OF_ACCOUNT and doubtful.total() < HELD_DOUBTFUL
