"""Turns of a stage that works in batches: in small batches a transaction costs more than the messages in it."""

import time
from collections.abc import Callable


class Turns:
    """Keeps `seconds` between the end of one turn and the start of the next, in which work gathers.

    After a rest the next turn may start at once: who comes alone does not wait for company.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._next = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until the next turn."""
        return max(0.0, self._next - self._clock())

    def ended(self) -> None:
        """A turn is over."""
        self._next = self._clock() + self._seconds
