"""Who may come in before anybody knows who it is: connections per address, unbound ones together, and their rate."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from accounts.addresses import neighbourhood

REMEMBERED: Final = 10_000  # addresses whose rate is remembered


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """`per_address` open connections, `unbound` connections over all addresses that have not bound yet, and how many
    an address may open in `seconds`."""

    per_address: int = 200
    unbound: int = 1_000
    opened: int = 400
    seconds: float = 10.0


class Door:
    """Counts connections; IPv6 addresses of one network count as one. Not for threads."""

    def __init__(self, limits: DoorLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._open: Counter[str] = Counter()
        self._recent: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.unbound = 0
        self.turned_away = 0

    def enter(self, address: str) -> bool:
        """Whether a new connection may stay; every one that may must `leave`."""
        where = neighbourhood(address)
        rate = self._count(where)
        full = self._open[where] >= self._limits.per_address or self.unbound >= self._limits.unbound
        if full or rate > self._limits.opened:
            self._forget_if_empty(where)
            self.turned_away += 1
            return False
        self._open[where] += 1
        self.unbound += 1
        return True

    def bound(self) -> None:
        """One of those inside has said who it is."""
        self.unbound -= 1

    def leave(self, address: str, *, bound: bool) -> None:
        """A connection that had entered has ended."""
        where = neighbourhood(address)
        self._open[where] -= 1
        self._forget_if_empty(where)
        if not bound:
            self.unbound -= 1

    @property
    def inside(self) -> int:
        """Open connections."""
        return self._open.total()

    def _count(self, where: str) -> int:
        """Connections that this address opened in the present span, with this one."""
        now = self._clock()
        since, count = self._recent.pop(where, (now, 0))
        if now - since > self._limits.seconds:
            since, count = now, 0
        self._recent[where] = (since, count + 1)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return count + 1

    def _forget_if_empty(self, where: str) -> None:
        if self._open[where] <= 0:
            del self._open[where]
