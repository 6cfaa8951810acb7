"""One bind: holds its lease, keeps a session up, claims what it is about to write, writes, hears the answers."""

import asyncio
import time

import structlog

from connectors.models import BindMode
from connectors.snapshot import ConnectorView
from smpp import events
from smpp.stream import Connection
from workers.binds import background
from workers.binds.admission import Admission
from workers.binds.answers import Answers
from workers.binds.claiming import Claimer
from workers.binds.feeder import Feeder
from workers.binds.flights import Flights
from workers.binds.lanes import Lanes
from workers.binds.line_hints import LineHints
from workers.binds.link_keeper import LinkKeeper
from workers.binds.pace import Pace
from workers.binds.ready import Ready
from workers.binds.recorder import LineRecorder, ResultRecorder
from workers.binds.report import STANDBY, Report
from workers.binds.shared import Shared
from workers.binds.tenure import Tenure
from workers.binds.writer import Writer
from workers.database import DatabaseThreads
from workers.wires import Ring

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 30.0  # for answers to what was written; a stop takes at most 45 s with all that follows
UNBIND_SECONDS, LINES_SECONDS, RESULTS_SECONDS = 6.0, 3.0, 5.0


class CarrierBind:
    """Bind `bind_no` of a connector, while this process owns its lease."""

    def __init__(
        self,
        view: ConnectorView,
        bind_no: int,
        *,
        owner: str,
        lanes: Lanes,
        pace: Pace,
        admission: Admission,
        database: DatabaseThreads,
        lease_database: DatabaseThreads,
        line_hints: LineHints,
        wire: Ring,
    ) -> None:
        self.view, self.bind_no, self.report = view, bind_no, Report()
        self._results = ResultRecorder(database, connector_id=view.id, bind_no=bind_no)
        self._lines = LineRecorder(database, line_hints, connector_id=view.id, bind_no=bind_no)
        self._tenure = Tenure(
            lease_database, connector_id=view.id, bind_no=bind_no, owner=owner, on_change=self._on_lease
        )
        self._lanes, self._flights, self._ready = lanes, Flights(self._results), Ready(lanes.is_paused)
        shared = Shared(view, bind_no, lanes, pace, self._tenure, self._flights, self._ready, self.report)
        self._answers = Answers(shared, self._lines)
        self._link = LinkKeeper(shared, wire, admission=admission, on_events=self._on_events, on_change=self._on_link)
        self._writer = Writer(shared)
        claimer = Claimer(view, bind_no, lanes=lanes, database=database)
        self._feeder = Feeder(shared, claimer=claimer, writer=self._writer, link=self._link, database=database)
        self._answered = asyncio.Event()
        self._start(f"{view.name}/{bind_no}")

    def _start(self, name: str) -> None:
        self._tasks = [
            background.lasting(self._tenure.keep, f"lease {name}"),
            background.lasting(self._link.keep, f"link {name}"),
        ]
        self._feeding = background.lasting(self._feeder.run, f"feed {name}") if self.sends else None

    @property
    def sends(self) -> bool:
        """Whether this kind of bind carries submit_sm."""
        return self.view.bind_mode != BindMode.RECEIVER

    @property
    def ready_to_send(self) -> bool:
        """Whether hints are of use here."""
        return self.sends and self._tenure.held and self._link.up is not None

    @property
    def window_used(self) -> int:
        """Unanswered submit_sm."""
        return len(self._flights)

    @property
    def rate(self) -> float:
        """submit_sm a second."""
        return self._writer.meter.rate

    @property
    def probe_ms(self) -> float | None:
        """Round trip of the present session's last enquire_link."""
        connection = self._link.up
        seconds = None if connection is None else connection.session.round_trip
        return None if seconds is None else round(seconds * 1000, 1)

    def wake(self) -> None:
        """There may be something to do: a hint, rows in the table."""
        self._feeder.wake()

    def _on_lease(self, won: bool) -> None:
        if won:
            self._link.allow()
        else:
            self._link.forbid()
            self._drop_ready()

    def _on_link(self) -> None:
        if self._link.up is None:
            self._drop_ready()
        else:
            self._lanes.stir()  # rows may have waited for this session
        self._feeder.wake()

    def _drop_ready(self) -> None:
        """Nothing of this was written: back in line, so that another bind can have it."""
        self._writer.rest()
        self._flights.not_written(self._ready.take_all(), self._ready.fence)

    def _on_events(self, connection: Connection, batch: list[events.Event]) -> None:
        self._answers.take(connection, batch)
        self._answered.set()
        self._feeder.pump()
        self._feeder.wake()

    async def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Claim nothing more, wait for the window, hand back the rest, unbind, record, give up the lease."""
        self._link.end()
        self._answers.keeps = False
        self._feeder.end()
        if self._feeding is not None:
            await asyncio.wait([self._feeding], timeout=grace)
        self._drop_ready()
        await self._drain(grace)
        await self._link.unbind(UNBIND_SECONDS)
        await self._lines.close(LINES_SECONDS)
        unrecorded = await self._results.close(RESULTS_SECONDS)
        await background.end([*self._tasks, *([self._feeding] if self._feeding else [])])
        await self._tenure.release(give_up=not unrecorded)
        if self.report.state != STANDBY:
            self.report.say("stopped")

    async def _drain(self, grace: float) -> None:
        until = time.monotonic() + grace
        while len(self._flights) and self._link.up is not None and time.monotonic() < until:
            self._answered.clear()
            await background.within(self._answered, until - time.monotonic())
