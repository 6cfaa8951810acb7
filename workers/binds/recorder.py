"""From the socket to the tables in batches: answers to outcomes, deliver_sm to receipts.

Nothing is dropped: while the database is away results wait here, and the binds stop writing new ones (`full`).
A deliver_sm is answered only after its row is committed (reliability P7).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import structlog

from messaging import outcomes, receipts
from messaging.outcomes import SubmitResult
from smpp import codec
from smpp.constants import CommandStatus
from smpp.errors import PduError
from smpp.pdu import DataSm, DeliverSm
from workers.binds.background import lasting
from workers.binds.line_hints import LineHints
from workers.database import DatabaseThreads
from workers.turns import Turns

log = structlog.get_logger(__name__)

GATHER_RESULTS = 0.025  # seconds between two transactions in which answers gather
# The same for deliver_sm, which the carrier may not send more of until we answer: short.
GATHER_LINES = 0.015
BATCH = 500
BACKLOG = 5_000  # results waiting for the database beyond which binds stop writing
RETRY_MAX = 1.0  # seconds between tries while the database is away: below the grace of a part in doubt
RECEIPT_PATIENCE = 8.0  # seconds; then the carrier is told to send again later (its own timer is mostly 10-30 s)
Line = DeliverSm | DataSm
Answer = Callable[[int], None]


class ResultRecorder:
    """Collects the results of one bind and records them: the first at once, then every 25 ms or 500."""

    def __init__(self, database: DatabaseThreads, *, connector_id: int, bind_no: int) -> None:
        self._database, self._connector_id, self._bind_no = database, connector_id, bind_no
        self._results: deque[SubmitResult] = deque()
        self._wake, self._turns = asyncio.Event(), Turns(GATHER_RESULTS)
        self._closing = False
        self._task = lasting(self._run, f"results {connector_id}/{bind_no}")

    @property
    def full(self) -> bool:
        """The database lags: write nothing new."""
        return len(self._results) >= BACKLOG

    def waiting(self) -> set[UUID]:
        """Ids of the parts whose results are not committed yet."""
        return {result.part_id for result in self._results}

    def add(self, result: SubmitResult) -> None:
        """One result; recorded soon."""
        self._results.append(result)
        self._wake.set()

    async def close(self, patience: float) -> int:
        """Record what waits, at most `patience` seconds; returns how many could not be recorded."""
        self._closing = True
        self._wake.set()
        done, _ = await asyncio.wait([self._task], timeout=patience)
        if not done:
            self._task.cancel()
        return len(self._results)

    async def _run(self) -> None:
        while self._results or not self._closing:
            if not self._results:
                self._wake.clear()
                await self._wake.wait()
                continue
            if len(self._results) < BATCH and not self._closing:
                await asyncio.sleep(self._turns.left)
            await self._record(list(islice(self._results, BATCH)))
            self._turns.ended()

    async def _record(self, batch: list[SubmitResult]) -> None:
        pause = 0.1
        while not await self._recorded(batch):
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MAX)
        for _ in batch:
            self._results.popleft()

    async def _recorded(self, batch: list[SubmitResult]) -> bool:
        where = {"connector_id": self._connector_id, "bind_no": self._bind_no}
        try:
            await self._database.run(outcomes.record, **where, results=batch)
        except Exception as error:  # any fault of the store: the results are facts, keep them and try again
            log.warning("results_not_recorded", **where, count=len(batch), error=repr(error))
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Stored:
    frame: bytes
    answer: Answer


class LineRecorder:
    """Stores deliver_sm and data_sm of one bind, then answers them on the session over which they came."""

    def __init__(self, database: DatabaseThreads, hints: LineHints, *, connector_id: int, bind_no: int) -> None:
        self._database, self._hints = database, hints
        self._connector_id, self._bind_no = connector_id, bind_no
        self._lines: deque[_Stored] = deque()
        self._wake, self._turns = asyncio.Event(), Turns(GATHER_LINES)
        self._closing = False
        self._task = lasting(self._run, f"lines {connector_id}/{bind_no}")

    def add(self, line: Line, answer: Answer) -> None:
        """One PDU of the carrier; at the limit the carrier is asked to send it again."""
        if len(self._lines) >= BACKLOG or self._closing:
            answer(CommandStatus.ESME_RMSGQFUL)
            return
        try:
            frame = codec.encode(line, lenient=True)
        except PduError as error:
            log.error("line_not_kept", connector=self._connector_id, error=str(error))
            answer(CommandStatus.ESME_RX_P_APPN)
            return
        self._lines.append(_Stored(frame, answer))
        self._wake.set()

    async def close(self, patience: float) -> None:
        """Store and answer what waits, at most `patience` seconds."""
        self._closing = True
        self._wake.set()
        done, _ = await asyncio.wait([self._task], timeout=patience)
        if not done:
            self._task.cancel()

    async def _run(self) -> None:
        while self._lines or not self._closing:
            if not self._lines:
                self._wake.clear()
                await self._wake.wait()
                continue
            if len(self._lines) < BATCH and not self._closing:
                await asyncio.sleep(self._turns.left)
            batch = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            status = await self._store([line.frame for line in batch])
            for line in batch:
                line.answer(status)
            self._turns.ended()

    async def _store(self, frames: list[bytes]) -> int:
        deadline = time.monotonic() + RECEIPT_PATIENCE
        pause = 0.1
        while not await self._stored(frames):
            if time.monotonic() + pause > deadline:
                return CommandStatus.ESME_RX_T_APPN
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MAX)
        return CommandStatus.ESME_ROK

    async def _stored(self, frames: list[bytes]) -> bool:
        try:
            stored = await self._database.run(receipts.store, self._connector_id, self._bind_no, frames)
        except Exception as error:  # any fault of the store: not stored means not acknowledged
            log.warning("lines_not_stored", connector=self._connector_id, count=len(frames), error=repr(error))
            return False
        self._hints.add(stored)
        return True
