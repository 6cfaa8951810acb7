"""One bind: holds its lease, keeps a session up, claims what it is about to write, writes, hears the answers.

Why it claims so little (architecture section 3, "The socket window"): what is claimed is in doubt if this
process dies, and out of reach of pause, cancel and failover. So: free window slots plus 50 ms of its rate.
"""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime

import structlog

from common.clock import utc_now
from common.errors import SendKind
from common.ids import derive
from common.queues import Lane
from connectors.models import BindMode, LongMessages
from connectors.snapshot import ConnectorView
from messaging import claims, leases
from messaging.claims import ClaimedPart
from messaging.outcomes import SubmitResult
from smpp import events, stream
from smpp.constants import CommandStatus
from smpp.errors import FieldError, SessionError
from smpp.pdu import DataSm, DeliverSm
from workers.binds import link, verdict
from workers.binds.lanes import Lanes
from workers.binds.pace import Meter, Pace
from workers.binds.recorder import LineRecorder, ResultRecorder
from workers.binds.submission import submit_sm
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

LEASE_SECONDS = 15.0
LEASE_MARGIN = 3.0  # seconds before the end of the lease at which writing stops
RENEW_EVERY = 5.0
CLAIM_LIMIT = 500
DRAIN_SECONDS = 30.0
STEADY = 60.0  # seconds bound after which the back-off begins anew
IDLE = 0.25  # seconds between looks when nothing wakes the feeder


@dataclass(frozen=True, slots=True)
class Flight:
    """What one submit_sm carries, and under which fence it was claimed."""

    parts: list[ClaimedPart]
    fence: int


@dataclass(slots=True)
class Report:
    """What a bind says of itself; the service writes it to BindState."""

    state: str = "waiting"
    since: datetime | None = None
    last_error: str = ""
    next_try: float = 0.0
    submitted: int = 0
    last_submit: datetime | None = None
    last_receipt: datetime | None = None


class CarrierBind:
    """Bind `bind_no` of a connector, while this process owns its lease."""

    def __init__(
        self, view: ConnectorView, bind_no: int, *, owner: str, lanes: Lanes, pace: Pace, database: DatabaseThreads
    ) -> None:
        self.view, self.bind_no, self.report = view, bind_no, Report()
        self._owner, self._lanes, self._pace, self._database = owner, lanes, pace, database
        self._lease: leases.Lease | None = None
        self._lease_deadline = 0.0
        self._fence = 0  # of everything in _ready
        self._connection: stream.Connection | None = None
        self._ready: deque[ClaimedPart] = deque()
        self._in_flight = 0
        self._verdicts = verdict.Verdicts()
        self._wake = asyncio.Event()
        self._down = asyncio.Event()
        self._ending = asyncio.Event()
        self.meter = Meter()
        self._results = ResultRecorder(database, connector_id=view.id, bind_no=bind_no)
        self._lines = LineRecorder(database, connector_id=view.id, bind_no=bind_no, answer=self._answer_line)
        self._tasks = [
            asyncio.create_task(self._keep_lease(), name=f"lease {view.name}/{bind_no}"),
            asyncio.create_task(self._keep_link(), name=f"link {view.name}/{bind_no}"),
        ]
        if view.bind_mode != BindMode.RECEIVER:
            self._tasks.append(asyncio.create_task(self._feed(), name=f"feed {view.name}/{bind_no}"))

    @property
    def window_used(self) -> int:
        """Unanswered submit_sm."""
        return self._in_flight

    def wake(self) -> None:
        """There may be something to do: a hint, a free slot, a changed setting."""
        self._wake.set()

    # -- the lease

    def _owns(self) -> bool:
        return self._lease is not None and time.monotonic() < self._lease_deadline

    async def _keep_lease(self) -> None:
        while not self._ending.is_set():
            asked = time.monotonic()
            try:
                await self._acquire_or_renew(asked)
            except Exception as error:  # the store is away: the lease runs out by itself, writing stops in time
                log.warning("lease_not_renewed", connector=self.view.name, bind=self.bind_no, error=str(error))
            await asyncio.sleep(RENEW_EVERY if self._owns() else 1.0)

    async def _acquire_or_renew(self, asked: float) -> None:
        if self._lease is not None:
            if await self._database.run(leases.renew, self._lease, ttl=LEASE_SECONDS):
                self._lease_deadline = asked + LEASE_SECONDS - LEASE_MARGIN
                return
            self._lose_lease()
        lease = await self._database.run(leases.acquire, self.view.id, self.bind_no, self._owner, ttl=LEASE_SECONDS)
        if lease is not None:
            self._lease, self._lease_deadline = lease, asked + LEASE_SECONDS - LEASE_MARGIN
            self._fence = lease.fence
            self._wake.set()

    def _lose_lease(self) -> None:
        """Another owner took over: what we hold is his to decide; we write nothing more."""
        log.warning("lease_lost", connector=self.view.name, bind=self.bind_no)
        self._lease = None
        self._ready.clear()
        if self._connection is not None:
            self._connection.close()

    # -- the link

    async def _keep_link(self) -> None:
        backoff = link.Backoff()
        while not self._ending.is_set():
            if not self._owns():
                self._say("standby")
                await asyncio.sleep(0.2)
                continue
            pause = await self._one_link(backoff)
            if not self._ending.is_set():
                await self._sleep(pause)

    async def _one_link(self, backoff: link.Backoff) -> float:
        self._say("connecting")
        self._down.clear()
        try:
            self._connection = await link.bind(self.view, self._on_events)
        except (OSError, TimeoutError, SessionError, link.BindRefused) as error:
            pause = backoff.failed(error, self.view)
            log.warning("bind_failed", connector=self.view.name, bind=self.bind_no, error=str(error), retry_in=pause)
            self._say("refused" if isinstance(error, link.BindRefused) else "waiting", str(error) or repr(error), pause)
            return pause
        self._connection.on_writable = self.wake
        bound_at = time.monotonic()
        self._say("bound")
        log.info("bound", connector=self.view.name, bind=self.bind_no)
        self._wake.set()
        await self._down.wait()
        if time.monotonic() - bound_at > STEADY:
            backoff.reset()
        return backoff.failed(ConnectionError(), self.view)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return

    def _say(self, state: str, error: str = "", retry_in: float = 0.0) -> None:
        report = self.report
        if report.state != state:
            report.state, report.since = state, utc_now()
        if error:
            report.last_error = error[:300]
        report.next_try = time.monotonic() + retry_in if retry_in else 0.0

    # -- feeding: claim, then write

    async def _feed(self) -> None:
        while not self._ending.is_set():
            claimed = False
            try:
                claimed = await self._claim_some()
            except Exception as error:  # the store is away: nothing is claimed, nothing lost
                log.warning("claim_failed", connector=self.view.name, bind=self.bind_no, error=str(error))
                await asyncio.sleep(0.5)
            self._pump()
            if not claimed:
                await self._rest()

    async def _rest(self) -> None:
        """Until something wakes us, or a token or the end of a pause is due."""
        wait = IDLE
        if self._ready:
            wait = min(wait, max(self._pace.wait, 0.001))
        self._wake.clear()
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    def _room(self) -> int:
        connection = self._connection
        if connection is None or connection.closed or not self._owns() or self._results.full or self._ending.is_set():
            return 0
        if self.report.state != "bound":
            return 0
        return min(CLAIM_LIMIT, connection.session.free_slots + self._pace.ahead - len(self._ready))

    async def _claim_some(self) -> bool:
        room = self._room()
        if room <= 0 or self._lease is None:
            return False
        lane = self._lanes.pick()
        from_table = lane is None
        lane = lane or self._lanes.silent()
        if lane is None:
            return False
        if self._pace.tps:
            await self._database.run(self._pace.refill, room + len(self._ready))
            room = min(room, max(0, self._pace.allowed - len(self._ready)))
            if room <= 0:
                return False
        return await self._claim(lane, room, from_table)

    async def _claim(self, lane: Lane, room: int, from_table: bool) -> bool:
        ids, spent = ([], []) if from_table else self._lanes.buffers[lane].take(room)
        try:
            parts = await self._claim_rows(lane, None if from_table else ids, room)
        except Exception:
            for body in spent:
                body.settle(False)  # the rows are still QUEUED; the hint is given back
            raise
        for body in spent:
            body.settle(True)
        if from_table and len(parts) >= room:
            self._lanes.look_again(lane)
        if not self._owns():
            return False  # paused too long between: these rows are the next owner's to decide
        self._ready.extend(parts)
        return bool(parts) or not from_table

    async def _claim_rows(self, lane: Lane, ids: list | None, room: int) -> list[ClaimedPart]:
        assert self._lease is not None
        where = {"connector_id": self.view.id, "lane": lane, "bind_no": self.bind_no, "fence": self._lease.fence}
        parts = await self._database.run(claims.claim, **where, ids=ids, limit=room if ids is None else len(ids))
        if self.view.long_messages == LongMessages.PAYLOAD:
            parts = await self._whole_messages(parts, where)
        return parts

    async def _whole_messages(self, parts: list[ClaimedPart], where: dict) -> list[ClaimedPart]:
        """message_payload carries a whole message: claim the siblings that the limit cut off."""
        have = {part.part_id for part in parts}
        missing = [
            derive(part.message_id, seq)
            for part in parts
            if part.total > 1
            for seq in range(1, part.total + 1)
            if derive(part.message_id, seq) not in have
        ]
        if missing:
            more = await self._database.run(claims.claim, **where, ids=missing, limit=len(missing))
            parts = sorted([*parts, *more], key=lambda part: part.part_id)
        return parts

    def _pump(self) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            return
        held: list[ClaimedPart] = []
        while self._ready and connection.writable and connection.session.free_slots and self._pace.allowed > 0:
            if not self._owns():
                self._lose_lease()
                return
            part = self._ready.popleft()
            if self._lanes.is_paused(part.lane):
                held.append(part)
            else:
                self._write(connection, self._with_siblings(part))
        self._ready.extendleft(reversed(held))

    def _with_siblings(self, part: ClaimedPart) -> list[ClaimedPart]:
        if self.view.long_messages != LongMessages.PAYLOAD or part.total == 1:
            return [part]
        rest = [other for other in self._ready if other.message_id == part.message_id]
        if len(rest) + 1 < part.total:  # the others went out before: this one goes alone, with a header
            return [part]
        for other in rest:
            self._ready.remove(other)
        return [part, *rest]

    def _write(self, connection: stream.Connection, parts: list[ClaimedPart]) -> None:
        try:
            pdu = submit_sm(parts[0], self.view, utc_now(), whole=len(parts) > 1)
            connection.submit(pdu, Flight(parts, self._fence))
        except SessionError:  # closed or full between two looks: they wait
            self._ready.extendleft(reversed(parts))
            connection.close()
            return
        except (FieldError, ValueError) as error:  # cannot be written in this connector's way
            self._results_of(Flight(parts, self._fence), SendKind.ROUTE, error=f"cannot encode: {error}")
            return
        except Exception as error:  # a poison part ends alone, the bind lives
            log.exception("part_not_written", connector=self.view.name, part=str(parts[0].part_id))
            self._results_of(Flight(parts, self._fence), SendKind.ROUTE, error=f"internal: {type(error).__name__}")
            return
        self._in_flight += 1
        self._pace.used()
        self.meter.add()
        self.report.submitted += 1
        self.report.last_submit = utc_now()

    # -- what the carrier says

    def _on_events(self, batch: list[events.Event]) -> None:
        for event in batch:
            match event:
                case events.ResponseReceived(pdu=pdu, context=Flight() as flight):
                    self._answered(flight, pdu.status, str(getattr(pdu, "message_id", "") or ""))
                case events.ResponseTimeout(context=Flight() as flight):
                    self._in_doubt(flight, "no answer in time")
                case events.RequestReceived(pdu=DeliverSm() | DataSm() as line):
                    self.report.last_receipt = utc_now()
                    self._lines.add(line)
                case events.RequestReceived(pdu=other):
                    self._refuse(other)
                case events.Closed():
                    self._closed(event)
        self._pump()
        self._wake.set()

    def _refuse(self, request: object) -> None:
        reply = getattr(request, "reply", None)
        if reply is not None and self._connection is not None and not self._connection.closed:
            try:
                self._connection.respond(reply(status=CommandStatus.ESME_RINVCMDID))
            except SessionError as error:
                log.info("not_answered", connector=self.view.name, error=str(error))

    def _answered(self, flight: Flight, status: int, provider_id: str) -> None:
        self._in_flight -= 1
        if status == CommandStatus.ESME_ROK:
            self._verdicts.accepted(flight.parts[0])
            self._results_of(flight, "submitted", provider_id=provider_id, status=status)
            return
        kind = self._verdicts.judge(flight.parts[0], status, self.view.error_classes)
        if kind in (SendKind.THROTTLED, SendKind.BUSY) and flight.fence == self._fence:
            self._slow_down(flight.parts, kind)
            return
        self._results_of(flight, kind, status=status)
        if kind is SendKind.SESSION and self._connection is not None:
            self._connection.close()

    def _slow_down(self, parts: list[ClaimedPart], kind: SendKind) -> None:
        """The same messages go first once the pause is over; no attempt is counted."""
        floor, top = (1.0, 5.0) if kind is SendKind.THROTTLED else (5.0, 30.0)
        self._lanes.buffers[Lane(parts[0].lane)].throttled(time.monotonic(), floor, top)
        if kind is SendKind.THROTTLED:
            self._pace.throttled()
        self._ready = deque(sorted([*self._ready, *parts], key=lambda part: part.part_id))

    def _in_doubt(self, flight: Flight, why: str) -> None:
        self._in_flight -= 1
        self._results_of(flight, SendKind.UNCERTAIN, error=why)

    def _results_of(
        self, flight: Flight, kind: str, *, provider_id: str = "", status: int | None = None, error: str = ""
    ) -> None:
        at = utc_now()
        for part in flight.parts:
            self._results.add(
                SubmitResult(
                    part_id=part.part_id,
                    fence=flight.fence,
                    kind=kind,
                    provider_id=provider_id,
                    command_status=status,
                    error=error,
                    at=at,
                )
            )

    def _answer_line(self, line: DeliverSm | DataSm, status: int) -> None:
        if self._connection is None or self._connection.closed:
            return  # the carrier sends it again on the next session; the copy is recognised
        try:
            self._connection.respond(line.reply(status=status))
        except SessionError as error:
            log.info("line_not_answered", connector=self.view.name, error=str(error))

    def _closed(self, event: events.Closed) -> None:
        for left in event.unanswered:
            if isinstance(left.context, Flight):
                self._in_doubt(left.context, f"link lost: {event.reason.name.lower()}")
        if not self._ending.is_set():
            log.warning("link_lost", connector=self.view.name, bind=self.bind_no, reason=event.reason.name)
            self._say("waiting", f"link lost: {event.reason.name.lower()}")
        unwritten, self._ready = list(self._ready), deque()
        if unwritten:
            self._return(unwritten)
        self._connection = None
        self._down.set()

    def _return(self, parts: list[ClaimedPart]) -> None:
        """Unwritten parts go back to QUEUED as results, in order with everything else that is recorded."""
        self._results_of(Flight(parts, self._fence), SendKind.SESSION, error="not written")

    # -- the end

    async def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Claim nothing more, wait for the window, hand back the rest, unbind, record, give up the lease."""
        self._ending.set()
        self._wake.set()
        until = time.monotonic() + grace
        unwritten, self._ready = list(self._ready), deque()
        self._return(unwritten)
        while self._in_flight and self._connection is not None and time.monotonic() < until:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._wake.wait()
        if self._connection is not None:
            try:
                async with asyncio.timeout(6):
                    await self._connection.unbind()
            except (TimeoutError, SessionError) as error:
                log.info("unbind_unanswered", connector=self.view.name, error=str(error))
            if self._connection is not None:
                self._connection.close()
        self._down.set()
        await self._lines.close(5)
        lost = await self._results.close(10)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lease is not None and not lost:
            await self._database.run(leases.release, self._lease)
        self._say("stopped")
