"""Results of the postman in batches: one statement at a time, and never two at once."""

import asyncio
import time
from collections import deque
from typing import Final

import structlog

from messaging import mailbox
from messaging.mailbox import Handed
from workers.database import DatabaseThreads
from workers.holding import Holding

log = structlog.get_logger(__name__)

EVERY: Final = 0.02  # seconds in which results gather
BATCH: Final = 500
PAUSE: Final = 1.0  # seconds before a store that failed is asked again
KEPT: Final = 60.0  # seconds for which a result is worth writing; without it the delivery comes again, under its id


class Recorder:
    """Gathers results and writes them; what is written, or given up, is no longer in hand."""

    def __init__(self, database: DatabaseThreads, holding: Holding) -> None:
        self._database, self._holding = database, holding
        self._line: deque[tuple[Handed, float]] = deque()
        self._writing: asyncio.Task[None] | None = None

    def add(self, result: Handed) -> None:
        """Put a result in line."""
        self._line.append((result, time.monotonic()))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="mailbox results")

    async def close(self) -> None:
        """Write what is in line."""
        while self._writing is not None:
            await asyncio.wait([self._writing], timeout=2 * KEPT)

    async def _write(self) -> None:
        try:
            while self._line:
                await asyncio.sleep(EVERY)
                await self._record([self._line.popleft() for _ in range(min(BATCH, len(self._line)))])
        finally:
            self._writing = None

    async def _record(self, batch: list[tuple[Handed, float]]) -> None:
        again: list[tuple[Handed, float]] = []
        try:
            await self._database.run(mailbox.record, [result for result, _ in batch])
        except Exception as error:
            log.warning("mailbox_not_written", count=len(batch), error=str(error))
            oldest = time.monotonic() - KEPT
            again = [item for item in batch if item[1] > oldest]
            batch = [item for item in batch if item[1] <= oldest]
        self._holding.drop(result.held for result, _ in batch)
        if again:
            self._line.extendleft(reversed(again))
            await asyncio.sleep(PAUSE)
