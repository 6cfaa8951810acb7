"""Asking for stored lines to be recorded, for all binds of a process: one task for what came in 50 ms.

A hint that is never given costs five seconds: the sweep looks for stored lines that nobody recorded.
"""

import asyncio
from uuid import UUID

from messaging import receipts
from workers.database import DatabaseThreads
from workers.turns import Turns

GATHER = 0.05  # seconds between two hints; the first goes at once


class LineHints:
    """Collects ids of stored batches on one event loop."""

    def __init__(self, database: DatabaseThreads) -> None:
        self._database, self._turns = database, Turns(GATHER)
        self._ids: list[UUID] = []
        self._some = asyncio.Event()

    def add(self, batch_id: UUID) -> None:
        """This batch is committed."""
        self._ids.append(batch_id)
        self._some.set()

    async def run(self) -> None:
        """Give hints until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._turns.left)
            await self.give()

    async def give(self) -> None:
        """Ask for what is collected."""
        ids, self._ids = self._ids, []
        self._some.clear()
        if ids:
            await self._database.run(receipts.ask, ids)
            self._turns.ended()
