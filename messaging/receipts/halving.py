"""What fails on its data is halved until the culprit stands alone, so that it holds back nobody else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.transactions import is_passing

T = TypeVar("T")

# Seconds for a statement about a part of what failed: longer than a lock is waited for (2 s), so that somebody's lock
# is not taken for a fault of the data, and ten halvings of 500 PDUs still end within a task.
PATIENCE = 2.5
BUDGET = 15.0  # seconds after which nothing is halved any more; each part is still tried once, so most get through


@dataclass(slots=True)
class Outcome(Generic[T]):
    """The sum of what was done, what failed, and the first error of that."""

    done: int = 0
    failed: list[T] = field(default_factory=list)
    error: Exception | None = None

    def __add__(self, later: "Outcome[T]") -> "Outcome[T]":
        return Outcome(self.done + later.done, self.failed + later.failed, self.error or later.error)


def halved(items: Sequence[T], work: Callable[[Sequence[T]], int], *, until: float) -> Outcome[T]:
    """Do `work`, a transaction of its own, on all items or else on their halves, in order.

    From the monotonic moment `until` what fails is not halved. Raises what the database raises when it is away.
    """
    try:
        return Outcome(work(items))
    except Exception as error:
        if is_passing(error):
            raise
        if len(items) <= 1 or time.monotonic() >= until:
            return Outcome(0, list(items), error)
    middle = len(items) // 2
    return halved(items[:middle], work, until=until) + halved(items[middle:], work, until=until)
