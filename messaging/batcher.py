"""The line before the intake: whatever waits becomes one batch (architecture section 3).

At rest a message is alone in its batch, waits for no timer and pays the latency of one transaction; under load the
batches grow by themselves, and after one of several their callers are waited for, a few milliseconds at most. All
methods belong to one event loop; the transactions run in threads.
"""

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import structlog
from django.db import connection

from common.errors import Busy, Rejected, Unavailable
from messaging.commands import Answer, Outcome, Replay, SubmitRequest
from messaging.intake import Caller, Intake, shared_intake

log = structlog.get_logger(__name__)

LINE: Final = 2_000  # commands that may wait
SHARE: Final = LINE // 2  # of one account: it may not fill the line for everybody
BATCH: Final = 300  # commands in a transaction; measured: more gives nothing but latency
IN_FLIGHT: Final = 2  # the second beside a slow one, or when a whole batch waits
SLOW: Final = 0.1  # seconds in flight, after which a batch no longer keeps the line waiting
PATIENCE: Final = 2.0  # seconds in line with nothing moving, then the caller is told so
ANSWER: Final = 5.0  # seconds in a transaction; then it may still come true (reliability, design rule 1.3)
PERHAPS: Final = "Perhaps accepted: repeat the request with the same Idempotency-Key"
# Callers who wait for their answers ask again as soon as they have them: a batch that leaves the moment one has landed
# takes half of them, and a transaction of eight costs nearly as much as one of sixteen.
GATHER: Final = 0.005  # seconds at most after a batch of several, until as many callers wait as there were
_TICK: Final = 0.25


@dataclass(slots=True, eq=False)
class Waiting:
    """A request in line, and who waits for it."""

    request: SubmitRequest
    future: asyncio.Future[Answer]
    since: float = field(default_factory=time.monotonic)

    def tell(self, answer: Answer) -> None:
        """Answer, unless the caller has gone away: the message is committed all the same."""
        if not self.future.done():
            self.future.set_result(answer)


class Line:
    """Requests by account; taken in turns, one of each account, so that none can keep the others waiting."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[int, deque[Waiting]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self.size = 0  # commands
        self.requests = 0

    def __bool__(self) -> bool:
        return self.size > 0

    def add(self, item: Waiting) -> bool:
        """False when the line, or the account's share of it, is full."""
        account = item.request.account_id
        if self.size >= LINE or self._sizes.get(account, 0) >= SHARE:
            return False
        self._accounts.setdefault(account, deque()).append(item)
        self.requests += 1
        self._resize(account, len(item.request.commands))
        return True

    def take(self, want: Callable[[int], bool]) -> list[Waiting]:
        """The next batch among the accounts that `want` names: at most 300 commands, or one bigger request."""
        taken: list[Waiting] = []
        room = BATCH
        accounts = deque(account for account in self._accounts if want(account))
        while accounts and room > 0:
            account = accounts.popleft()
            queue = self._accounts[account]
            size = len(queue[0].request.commands)
            if size > room and taken:
                continue  # it waits for a batch with more room; its account keeps its place
            taken.append(queue.popleft())
            room -= size
            self.requests -= 1
            self._resize(account, -size)
            if queue:
                accounts.append(account)
                self._accounts.move_to_end(account)
        return taken

    def take_older(self, moment: float) -> list[Waiting]:
        """Requests that came before `moment`."""
        old: list[Waiting] = []
        for account, queue in list(self._accounts.items()):
            while queue and queue[0].since < moment:
                old.append(queue.popleft())
                self.requests -= 1
                self._resize(account, -len(old[-1].request.commands))
        return old

    def _resize(self, account: int, change: int) -> None:
        self.size += change
        left = self._sizes.get(account, 0) + change
        if left:
            self._sizes[account] = left
        else:
            self._sizes.pop(account, None)
            self._accounts.pop(account, None)


@dataclass(slots=True, eq=False)
class Flight:
    """A batch in a thread. `suspect`: of accounts whose wallet was locked a moment ago."""

    batch: Sequence[Waiting]
    suspect: bool
    caller: Caller = field(default_factory=Caller)
    departed: float = field(default_factory=time.monotonic)


class IntakeBatcher:
    """Each front-door process has one. `start()` in the loop that submits; `drain()` before it ends."""

    def __init__(self, intake: Intake = shared_intake, silent: Callable[[], bool] = lambda: False) -> None:
        """`silent`: whether the database gives no sign of life, so that waiting for it is in vain."""
        self._intake, self._silent = intake, silent
        self._line = Line()
        self._flights: dict[asyncio.Future[list[Answer]], Flight] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._watch: asyncio.Task[None] | None = None
        self._open = False
        self._gathering: asyncio.TimerHandle | None = None
        self._expected = 0  # requests that are gathered for
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self) -> None:
        """Open the line."""
        if self._executor is None:
            # One thread more than batches in flight: accounts whose wallet is locked wait in it, not the others.
            self._executor = ThreadPoolExecutor(IN_FLIGHT + 1, thread_name_prefix="intake")
            self._watch = asyncio.get_running_loop().create_task(self._watch_over())
            self._open = True

    @property
    def waiting(self) -> int:
        """Commands in line."""
        return self._line.size

    async def submit(self, request: SubmitRequest) -> list[Outcome] | Replay:
        """The answer once it is durable: an outcome per command, or the stored answer of the request's key.

        Raises Rejected (the key belongs to another request, or its first request is in progress) and Unavailable
        (the line is full, we are stopping, or the database cannot say). A caller who is cancelled has submitted.
        """
        answer = await self.line_up(request)
        if isinstance(answer, Rejected | Unavailable):
            raise answer.with_traceback(None)  # one problem may be told to a whole line
        return answer

    def line_up(self, request: SubmitRequest) -> asyncio.Future[Answer]:
        """What `submit` awaits, for callers who want no task: the answer when it is durable, never an exception.

        Raises Unavailable when the line is full (Busy) or we are stopping.
        """
        if not self._open:
            raise Unavailable("The gateway is stopping")
        if self._silent():
            raise Unavailable
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if not self._line.add(Waiting(request, future)):
            raise Busy("busy")
        self._idle.clear()
        self._fly()
        return future

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's limit for the whole shutdown
        """Take no more, finish what is in line, at most `timeout` seconds; whether everything was answered."""
        self._open = False
        if self._executor is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
                await self._disconnect(self._executor)
        except TimeoutError:
            log.error("intake_not_drained", waiting=self._line.size, flights=len(self._flights))
            return False
        finally:
            await self._shut()
        return True

    async def _shut(self) -> None:
        executor, self._executor = self._executor, None
        if executor:
            executor.shutdown(wait=False)
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    @staticmethod
    async def _disconnect(executor: ThreadPoolExecutor) -> None:
        """Let each thread close its own database connection."""
        together = threading.Barrier(IN_FLIGHT + 1, timeout=1.0)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(executor, _leave, together) for _ in range(IN_FLIGHT + 1)))

    def _fly(self) -> None:
        """Start batches while there is something to take and a thread to do it."""
        suspect = self._intake.is_suspect
        while self._line and self._may_fly():
            if not self._depart(self._line.take(lambda account: not suspect(account)), suspect=False):
                break
        if self._line and not self._flying(suspect=True):
            self._depart(self._line.take(suspect), suspect=True)

    def _may_fly(self) -> bool:
        """One batch at a time while it is quick: a transaction of nine costs nearly as much as one of thirty."""
        flights = self._flying(suspect=False)
        if not flights:
            whole = self._line.requests >= self._expected or self._line.size >= BATCH
            return self._gathering is None or whole
        slow = time.monotonic() - flights[-1].departed > SLOW
        return len(flights) < IN_FLIGHT and (slow or self._line.size >= BATCH)

    def _flying(self, *, suspect: bool) -> list[Flight]:
        return [flight for flight in self._flights.values() if flight.suspect is suspect]

    def _depart(self, batch: Sequence[Waiting], *, suspect: bool) -> bool:
        if not batch or self._executor is None:
            return False
        requests = [item.request for item in batch]
        flight = Flight(batch, suspect)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, _submit, self._intake, requests, flight.caller)
        self._flights[future] = flight
        future.add_done_callback(self._land)
        return True

    def _land(self, future: asyncio.Future[list[Answer]]) -> None:
        batch = self._flights.pop(future).batch
        error = future.exception()
        if error is not None:  # a defect of ours; the callers must hear something
            log.error("intake_failed", requests=len(batch), exc_info=error)
        answers: Sequence[Answer] = [Unavailable() for _ in batch] if error else future.result()
        for item, answer in zip(batch, answers, strict=True):
            item.tell(answer)
        if len(batch) > 1 and not self._flights:
            self._gather(len(batch) + self._line.requests)
        self._fly()
        if not self._line and not self._flights:
            self._idle.set()

    def _gather(self, expected: int) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
        self._expected = expected
        self._gathering = asyncio.get_running_loop().call_later(GATHER, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._fly()

    async def _watch_over(self) -> None:
        """No wait without an end: also when a transaction neither succeeds nor fails."""
        while True:
            await asyncio.sleep(_TICK)
            now, silent = time.monotonic(), self._silent()
            for flight in self._flights.values():
                if silent and flight.caller.give_up():
                    _tell_all(flight.batch, Unavailable())
                elif now - flight.departed > ANSWER:
                    _tell_all(flight.batch, Unavailable(PERHAPS))
            if silent:
                _tell_all(self._line.take_older(now), Unavailable())
            _tell_all(self._line.take_older(now - PATIENCE), Busy("busy"))
            self._fly()  # beside a batch that has become slow


def _tell_all(waiting: Sequence[Waiting], problem: Unavailable) -> None:
    for item in waiting:
        item.tell(problem)


def _submit(intake: Intake, requests: Sequence[SubmitRequest], caller: Caller) -> list[Answer]:
    """In a thread of the pool, which keeps its connection between batches and drops it after trouble."""
    try:
        return intake.submit_many(requests, caller=caller)
    except BaseException:
        connection.close()
        raise


def _leave(together: threading.Barrier) -> None:
    with contextlib.suppress(threading.BrokenBarrierError):
        together.wait()
    connection.close()
