"""The bind worker: serves every started SMPP connector, follows changes of settings, reports, stops in order."""

import asyncio
import contextlib
import os
import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings

from common.clock import utc_now
from common.pacer import pacer
from common.queues import Lane, submit_queue
from connectors.models import BindState, Desired, Kind
from connectors.snapshot import ConnectorView, connectors
from workers.binds.carrier_bind import CarrierBind
from workers.binds.hints import HintConsumer, Settle
from workers.binds.lanes import Body, Lanes
from workers.binds.pace import Pace
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

WATCH_EVERY = 1.0  # seconds between looks at the connectors' settings
REPORT_EVERY = 3.0
HELD_TOO_LONG = 300.0  # seconds after which an unclaimed hint is given back to its queue


class ConnectorRunner:
    """The binds of one connector in this process; they share lanes and pace."""

    def __init__(self, view: ConnectorView, owner: str, database: DatabaseThreads) -> None:
        self.view = view
        self.lanes = Lanes()
        self.pace = Pace(f"connector:{view.id}", view.tps, pacer())
        self.binds = [
            CarrierBind(view, number, owner=owner, lanes=self.lanes, pace=self.pace, database=database)
            for number in range(1, view.binds + 1)
        ]

    def hint(self, lane: Lane, body: Body) -> None:
        """Ids of parts that are queued for this connector."""
        self.lanes.add(lane, body)
        for bind in self.binds:
            bind.wake()

    def tick(self) -> None:
        """Once a second: learn, and give back hints that nobody here could use."""
        self.pace.adapt()
        for buffer in self.lanes.buffers.values():
            buffer.give_back(time.monotonic() - HELD_TOO_LONG)

    async def stop(self) -> None:
        """Stop all binds; hints go back to the broker."""
        await asyncio.gather(*(bind.stop() for bind in self.binds))
        for buffer in self.lanes.buffers.values():
            buffer.give_back(float("inf"))


class BindService:
    """Runs on one event loop until `stop` is called."""

    def __init__(self, *, only: Iterable[str] = ()) -> None:
        self._only = set(only)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self._runners: dict[int, ConnectorRunner] = {}
        self._queues: dict[str, tuple[int, Lane]] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; then drain and return."""
        self._loop = asyncio.get_running_loop()
        self._database = DatabaseThreads(settings.BINDS_DATABASE_THREADS)
        self._hints = HintConsumer(settings.BROKER_URL, self._on_body)
        self._hints.start()
        reporter = asyncio.create_task(self._report_for_ever(), name="bind reports")
        try:
            while not self._stop.is_set():
                await self._watch()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_EVERY):
                        await self._stop.wait()
        finally:
            await self._wind_down(reporter)

    def stop(self) -> None:
        """Ask for an orderly end; safe from a signal and from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def bound(self) -> int:
        """Binds that are up, for tests and the embedded run."""
        return sum(bind.report.state == "bound" for runner in self._runners.values() for bind in runner.binds)

    # -- which connectors

    async def _watch(self) -> None:
        try:
            snapshot = await self._database.run(lambda: connectors())
        except Exception as error:  # the store is away: go on with what runs
            log.warning("settings_not_read", error=str(error))
            return
        wanted = {view.id: view for view in snapshot.by_id.values() if self._serves(view)}
        gone = [i for i, runner in self._runners.items() if wanted.get(i) != runner.view]
        if gone:
            await asyncio.gather(*(self._drop(connector_id) for connector_id in gone))
        for connector_id, view in wanted.items():
            if connector_id not in self._runners:
                self._runners[connector_id] = ConnectorRunner(view, self._owner, self._database)
                log.info("connector_started", connector=view.name, binds=view.binds)
        self._listen()
        for runner in self._runners.values():
            runner.tick()

    def _serves(self, view: ConnectorView) -> bool:
        named = not self._only or view.name in self._only
        return named and view.kind == Kind.SMPP and view.active and view.desired == Desired.STARTED

    def _listen(self) -> None:
        queues = {
            submit_queue(runner.view.name, lane): (connector_id, lane)
            for connector_id, runner in self._runners.items()
            for lane in Lane
        }
        if queues != self._queues:
            self._queues = queues
            self._hints.listen(queues)

    async def _drop(self, connector_id: int) -> None:
        runner = self._runners.pop(connector_id)
        self._listen()
        await runner.stop()
        await self._report([runner])

    def _on_body(self, queue: str, ids: list[UUID], settle: Settle) -> None:
        """In the broker's thread."""
        self._loop.call_soon_threadsafe(self._deliver, queue, ids, settle)

    def _deliver(self, queue: str, ids: list[UUID], settle: Settle) -> None:
        from collections import deque

        target = self._queues.get(queue)
        runner = self._runners.get(target[0]) if target else None
        if target is None or runner is None:
            settle(False)
            return
        runner.hint(target[1], Body(deque(ids), settle, time.monotonic()))

    # -- what it says of itself

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            await self._report(list(self._runners.values()))

    async def _report(self, runners: list[ConnectorRunner]) -> None:
        rows = [self._row(runner, bind) for runner in runners for bind in runner.binds]
        try:
            await self._database.run(_write_states, rows)
        except Exception as error:  # only people read these rows
            log.info("states_not_written", error=str(error))

    def _row(self, runner: ConnectorRunner, bind: CarrierBind) -> BindState:
        report = bind.report
        wait = report.next_try - time.monotonic()
        return BindState(
            connector_id=runner.view.id,
            bind_no=bind.bind_no,
            state=report.state,
            since=report.since,
            owner=self._owner,
            last_error=report.last_error,
            next_try_at=utc_now() + timedelta(seconds=wait) if wait > 0 else None,
            window_used=bind.window_used,
            rate=round(bind.meter.rate, 1),
            submitted=report.submitted,
            last_submit_at=report.last_submit,
            last_receipt_at=report.last_receipt,
            updated_at=utc_now(),
        )

    async def _wind_down(self, reporter: asyncio.Task[None]) -> None:
        self._hints.listen(())
        reporter.cancel()
        runners, self._runners = list(self._runners.values()), {}
        await asyncio.gather(*(runner.stop() for runner in runners))
        await self._report(runners)
        await self._loop.run_in_executor(None, self._hints.close)
        await self._loop.run_in_executor(None, self._database.close)


def _write_states(rows: list[BindState]) -> None:
    by_owner: dict[str, list[BindState]] = defaultdict(list)
    for row in rows:
        by_owner["standby" if row.state == "standby" else "mine"].append(row)
    fields = [f.name for f in BindState._meta.concrete_fields if f.name not in ("id", "connector", "bind_no")]
    # One that only stands by must not overwrite what the owner says.
    BindState.objects.bulk_create(by_owner["standby"], ignore_conflicts=True)
    BindState.objects.bulk_create(
        by_owner["mine"],
        update_conflicts=True,
        unique_fields=["connector", "bind_no"],
        update_fields=fields,
    )
