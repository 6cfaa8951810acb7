"""One heap and one loop timer for everything that happens later: answers, receipts, seconds."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class Schedule:
    """Runs calls at their time, in time order; thousands of waiting calls cost one loop timer.

    Times are loop seconds. A call that raises is given to the loop's exception handler, the others still run.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def start(self) -> None:
        """Begin to run calls on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._arm()

    def stop(self) -> None:
        """Forget every call that has not run."""
        self._heap.clear()
        self._disarm()
        self._loop = None

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due: float, call: Callable[..., None], *arguments: Any) -> None:
        """Run `call(*arguments)` at loop time `due`, or in this turn's end if that has passed."""
        heapq.heappush(self._heap, (due, next(self._order), call, arguments))
        if self._timer is None or due < self._armed_for:
            self._arm()

    def _arm(self) -> None:
        self._disarm()
        if self._heap and self._loop is not None:
            self._armed_for = self._heap[0][0]
            self._timer = self._loop.call_at(self._armed_for, self._run)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = self._loop
        if loop is None:
            return
        heap, now = self._heap, loop.time()
        while heap and heap[0][0] <= now:
            _, _, call, arguments = heapq.heappop(heap)
            try:
                call(*arguments)
            except Exception as error:
                loop.call_exception_handler({"message": "a scheduled call failed", "exception": error})
        self._arm()
