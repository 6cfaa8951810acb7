"""What a process has in hand of deliveries, told to the others as a whole: no row is written again for a slow peer."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from common import process_leases
from common.ids import new_id
from messaging import webhooks

EVERY: Final = 1.0  # seconds between two tellings
MARGIN: Final = 1.5  # seconds before the end in which nothing is begun: clocks, and a telling that takes its time


class Taken(Protocol):
    """A delivery that was claimed under this token."""

    @property
    def token(self) -> int: ...


class Holding:
    """Counts what is in hand by its token. `tell` and `end` ask the database; the rest is for the loop's thread."""

    def __init__(self) -> None:
        self._process = new_id()
        self._tokens: Counter[int] = Counter()
        self._told: frozenset[int] = frozenset()
        self._until = float("-inf")
        self._known = False

    def take(self, items: Iterable[Taken]) -> None:
        """These are in hand from now on, until they are dropped."""
        self._tokens.update(item.token for item in items)

    def drop(self, items: Iterable[Taken]) -> None:
        """These are recorded, or given back."""
        for item in items:
            self._tokens[item.token] -= 1
            if self._tokens[item.token] <= 0:
                del self._tokens[item.token]

    def keeps(self, token: int) -> bool:
        """Whether nobody else may take what was claimed under this token: everybody was told, and still believes it."""
        return token in self._told and time.monotonic() < self._until

    def tokens(self) -> frozenset[int]:
        """What there is to tell now."""
        return frozenset(self._tokens)

    def tell(self, tokens: frozenset[int]) -> None:
        """Tell the others; nothing where there is nothing, before and now. Raises what the database raises."""
        if not tokens and not self._told:
            return
        began = time.monotonic()
        webhooks.hold(self._process, tokens)
        self._until, self._told, self._known = began + webhooks.HOLD - MARGIN, tokens, True

    def end(self) -> None:
        """This loop holds nothing any more."""
        if self._known:
            process_leases.let_go(self._process)
