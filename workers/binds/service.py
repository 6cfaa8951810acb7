"""The bind worker: serves every started SMPP connector, follows changes of settings, reports, stops in order."""

import asyncio
import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError

from common import alive
from common.queues import Lane, submit_queue
from connectors.models import Kind
from connectors.snapshot import ConnectorView, connectors
from workers.binds import report
from workers.binds.background import end, lasting, within
from workers.binds.drains import Drains
from workers.binds.hints import HintConsumer, Settle
from workers.binds.line_hints import LineHints
from workers.binds.runner import ConnectorRunner
from workers.binds.table import Place, lanes_with_rows
from workers.binds.tally import Tally
from workers.database import DatabaseThreads
from workers.wires import WRITE_EVERY, Wires

log = structlog.get_logger(__name__)

WATCH_EVERY = 1.0  # seconds between looks at the connectors' settings
LISTEN_EVERY = 0.1  # seconds between looks at who wants hints
LOOK_EVERY = 2.0  # seconds between looks into the table
REPORT_EVERY = 3.0
COUNT_EVERY = 10.0


class BindService:
    """Runs on one event loop until `stop` is called. `only`: names of connectors, all by default."""

    def __init__(self, *, only: Iterable[str] = ()) -> None:
        self._only = set(only)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self._runners: dict[int, ConnectorRunner] = {}
        self._leaving: dict[int, asyncio.Task[None]] = {}
        self._queues: dict[str, tuple[int, Lane]] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; then drain and return."""
        self._loop = asyncio.get_running_loop()
        self._database = DatabaseThreads(settings.BINDS_DATABASE_THREADS)
        # Renewals must not wait behind claims and results: a lease that ends takes its session down.
        self._lease_database = DatabaseThreads(1)
        self._line_hints = LineHints(self._database)
        self._wires = Wires(self._owner, self._database)
        self._drains, self._tally = Drains(self._database), Tally(self._database)
        self._hints = HintConsumer(settings.BROKER_URL, self._on_body)
        self._hints.start()
        tasks = [
            lasting(self._watch_for_ever, "bind settings"),
            lasting(self._listen_for_ever, "bind queues"),
            lasting(self._look_for_ever, "bind table"),
            lasting(self._report_for_ever, "bind reports"),
            lasting(self._count_for_ever, "bind answers"),
            lasting(self._line_hints.run, "line hints"),
            lasting(self._wires_for_ever, "wire log"),
        ]
        try:
            await self._stop.wait()
        finally:
            await end(tasks)
            await self._wind_down()

    def stop(self) -> None:
        """Ask for an orderly end; safe from a signal and from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def bound(self) -> int:
        """Binds that are up, for tests and the embedded run."""
        return sum(bind.report.state == "bound" for runner in self._runners.values() for bind in runner.binds)

    # -- which connectors

    async def _watch_for_ever(self) -> None:
        while not self._stop.is_set():
            await self._watch()
            for runner in self._runners.values():
                runner.tick()
            alive.tell()
            await within(self._stop, WATCH_EVERY)

    async def _watch(self) -> None:
        try:
            snapshot = await self._database.run(lambda: connectors())
        except Exception as error:  # the store is away: go on with what runs
            log.warning("settings_not_read", error=str(error))
            return
        wanted = {view.id: view for view in snapshot.by_id.values() if self._serves(view)}
        await self._drains.look(wanted.values())
        for connector_id, runner in list(self._runners.items()):
            view = wanted.get(connector_id)
            if view is None or not runner.serves_like(view):
                self._drop(connector_id)
        for connector_id, view in wanted.items():
            if connector_id not in self._runners and connector_id not in self._leaving:
                self._runners[connector_id] = ConnectorRunner(
                    view, self._owner, database=self._database, lease_database=self._lease_database,
                    line_hints=self._line_hints, wires=self._wires,
                )  # fmt: skip
                log.info("connector_started", connector=view.name, binds=view.binds)

    def _serves(self, view: ConnectorView) -> bool:
        return view.wanted and view.kind == Kind.SMPP and (not self._only or view.name in self._only)

    def _drop(self, connector_id: int) -> None:
        """Stop its binds beside the watching: draining takes its time, the other connectors go on."""
        runner = self._runners.pop(connector_id)
        self._listen()

        async def leave() -> None:
            try:
                await runner.stop()
                self._tally.take(runner)
                await self._report([runner])
            finally:
                del self._leaving[connector_id]

        log.info("connector_stopping", connector=runner.view.name)
        self._leaving[connector_id] = asyncio.create_task(leave(), name=f"leaving {runner.view.name}")

    # -- what there is to do

    async def _listen_for_ever(self) -> None:
        while not self._stop.is_set():
            self._listen()
            await within(self._stop, LISTEN_EVERY)

    def _listen(self) -> None:
        """Consume for those who can send and do not hold too much already."""
        queues = {
            submit_queue(runner.view.name, lane): (connector_id, lane)
            for connector_id, runner in self._runners.items()
            for lane in Lane
            if runner.wants_hints(lane)
        }
        if queues != self._queues:
            self._queues = queues
            self._hints.listen(queues)

    def _on_body(self, queue: str, ids: list[UUID], settle: Settle) -> None:
        """In the broker's thread."""
        self._loop.call_soon_threadsafe(self._deliver, queue, ids, settle)

    def _deliver(self, queue: str, ids: list[UUID], settle: Settle) -> None:
        connector_id, lane = self._queues.get(queue, (0, Lane.BULK))
        runner = self._runners.get(connector_id)
        if runner is None:
            settle(False)
        else:
            runner.hint(lane, ids, settle)

    async def _look_for_ever(self) -> None:
        while not self._stop.is_set():
            await within(self._stop, LOOK_EVERY)
            await self._look()

    async def _look(self) -> None:
        asked: list[Place] = [
            (connector_id, lane)
            for connector_id, runner in self._runners.items()
            if runner.ready_to_send
            for lane in runner.lanes.quiet()
        ]
        try:
            found = await self._database.run(lanes_with_rows, asked) if asked else []
        except Exception as error:  # the store is away: look again
            log.warning("table_not_read", error=str(error))
            return
        for connector_id, lanes in _by_connector(asked).items():
            self._runners[connector_id].lanes.looked(lanes) if connector_id in self._runners else None
        for connector_id, lanes in _by_connector(found).items():
            if connector_id in self._runners:
                self._runners[connector_id].stir(lanes)

    # -- what it says of itself

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            await self._report(self._runners.values())

    async def _report(self, runners: Iterable[ConnectorRunner]) -> None:
        try:
            await self._database.run(report.write, [row for runner in runners for row in runner.states()])
        except Exception as error:  # only people read these rows
            log.info("states_not_written", error=str(error))

    async def _wires_for_ever(self) -> None:
        while not await within(self._stop, WRITE_EVERY):
            await self._wires.write()

    async def _count_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY)
            for runner in self._runners.values():
                self._tally.take(runner)
            await self._tally.flush()

    async def _wind_down(self) -> None:
        self._hints.listen(())
        for connector_id in list(self._runners):
            self._drop(connector_id)
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        await self._wires.write()
        await self._tally.flush()
        with contextlib.suppress(DatabaseError):  # the sweep finds what nobody asked for
            await self._line_hints.give()
        for close in (self._hints.close, self._database.close, self._lease_database.close):
            await self._loop.run_in_executor(None, close)


def _by_connector(places: Iterable[Place]) -> dict[int, list[Lane]]:
    found: dict[int, list[Lane]] = defaultdict(list)
    for connector_id, lane in places:
        found[connector_id].append(lane)
    return found
