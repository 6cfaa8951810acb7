"""What all sessions of a server have in common."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from accounts.credentials import BindGate
from common.seats import Seats
from messaging.batcher import IntakeBatcher
from messaging.wirelog import Subject
from smpp.pdu import Pdu
from workers.database import DatabaseThreads
from workers.smpp_server.binds_table import BindsTable
from workers.smpp_server.bound import Bound
from workers.smpp_server.door import Door
from workers.smpp_server.mailbox import Postman
from workers.smpp_server.register import Refusals, Register
from workers.wires import Visitor, Wires

log = structlog.get_logger(__name__)

QUESTIONS: Final = 2  # at once, of all sessions


@dataclass(slots=True)
class Shared:
    """`name` is host:process; `stopping`: nothing new is taken."""

    name: str
    database: DatabaseThreads
    batcher: IntakeBatcher
    gate: BindGate
    seats: Seats
    door: Door
    binds_table: BindsTable
    postman: Postman
    wires: Wires
    register: Register = field(default_factory=Register)
    refusals: Refusals = field(default_factory=Refusals)
    stopping: bool = False
    # Questions ask the database one by one: a flood of them must leave threads for binds and for the postman.
    questions: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUESTIONS))
    # One of each client: a window full of them must not have the others wait behind all of it.
    _asking: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def turn(self, client_id: int) -> AsyncIterator[None]:
        """A client's turn to ask the database."""
        async with self._asking[client_id], self.questions:
            yield

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a short piece of work beside the sessions; what it raises is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self) -> None:
        """Wait for what was begun by `spawn`."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("smpp_work_failed", work=task.get_name(), exc_info=task.exception())


class Session(Bound, Protocol):
    """What the rooms that deal with a customer's requests see of his session."""

    shared: Shared
    wire: Visitor

    def settle(self, subject: Subject) -> None:
        """It is known now whose wire this is."""

    def respond(self, response: Pdu, note: str = "") -> None:
        """Answer, unless the customer has left meanwhile."""

    def refuse(self, pdu: Pdu, status: int, reason: str, **fields: Any) -> None:
        """Answer with an error, and keep the reason for the customer's log."""
