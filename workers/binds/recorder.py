"""From the socket to the tables in batches: answers to outcomes, deliver_sm to receipts.

Nothing is dropped: while the database is away results wait here, and the binds stop writing new ones (`full`).
A deliver_sm is answered only after its row is committed (reliability P7).
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from messaging import outcomes, receipts
from messaging.outcomes import SubmitResult
from smpp import codec
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DeliverSm
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

LINGER = 0.02  # seconds that the first result of a batch waits at most
BATCH = 500
BACKLOG = 5_000  # results waiting for the database beyond which binds stop writing
RETRY_MAX = 5.0  # seconds between tries while the database is away
RECEIPT_PATIENCE = 8.0  # seconds; then the carrier is told to send again later (its own timer is mostly 10-30 s)
Line = DeliverSm | DataSm
Answer = Callable[[Line, int], None]


class ResultRecorder:
    """Collects the results of one bind and records them every 20 ms or 500."""

    def __init__(self, database: DatabaseThreads, *, connector_id: int, bind_no: int) -> None:
        self._database, self._connector_id, self._bind_no = database, connector_id, bind_no
        self._results: deque[SubmitResult] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name=f"results {connector_id}/{bind_no}")

    @property
    def full(self) -> bool:
        """The database lags: write nothing new."""
        return len(self._results) >= BACKLOG

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
                await asyncio.sleep(LINGER)
            await self._record([self._results[i] for i in range(min(BATCH, len(self._results)))])

    async def _record(self, batch: list[SubmitResult]) -> None:
        pause = 0.1
        while True:
            try:
                await self._database.run(
                    outcomes.record, connector_id=self._connector_id, bind_no=self._bind_no, results=batch
                )
                break
            except Exception:  # any fault of the store: the results are facts, keep them and try again
                log.exception("results_not_recorded", connector=self._connector_id, count=len(batch))
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MAX)
        for _ in batch:
            self._results.popleft()


class LineRecorder:
    """Stores deliver_sm and data_sm of one bind, then answers them."""

    def __init__(self, database: DatabaseThreads, *, connector_id: int, bind_no: int, answer: Answer) -> None:
        self._database, self._connector_id, self._bind_no = database, connector_id, bind_no
        self._answer = answer
        self._lines: deque[Line] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name=f"lines {connector_id}/{bind_no}")

    def add(self, line: Line) -> None:
        """One PDU of the carrier; at the limit the carrier is asked to send it again."""
        if len(self._lines) >= BACKLOG:
            self._answer(line, CommandStatus.ESME_RMSGQFUL)
            return
        self._lines.append(line)
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
            batch = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            status = await self._store(batch)
            for line in batch:
                self._answer(line, status)

    async def _store(self, batch: list[Line]) -> int:
        deadline = asyncio.get_running_loop().time() + RECEIPT_PATIENCE
        frames = [codec.encode(line, lenient=True) for line in batch]
        pause = 0.1
        while True:
            try:
                await self._database.run(receipts.store, self._connector_id, self._bind_no, frames)
                return CommandStatus.ESME_ROK
            except Exception:  # any fault of the store: not stored means not acknowledged
                log.exception("lines_not_stored", connector=self._connector_id, count=len(batch))
            if asyncio.get_running_loop().time() + pause > deadline:
                return CommandStatus.ESME_RX_T_APPN
            await asyncio.sleep(pause)
            pause *= 2
