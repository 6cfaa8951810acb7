"""The binds of one connector in this process; they share lanes and pace."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from common.pacer import pacer
from common.queues import Lane
from connectors.models import BindState
from connectors.snapshot import ConnectorView
from messaging.models import WireLog
from messaging.wirelog import Subject
from workers.binds import report
from workers.binds.admission import Admission
from workers.binds.carrier_bind import CarrierBind
from workers.binds.hints import Settle
from workers.binds.lanes import Body, Lanes
from workers.binds.line_hints import LineHints
from workers.binds.pace import Pace
from workers.database import DatabaseThreads
from workers.wires import Wires

HELD_TOO_LONG = 300.0  # seconds after which an unclaimed hint is given back to its queue


class ConnectorRunner:
    """Runs `view.binds` binds until `stop`."""

    def __init__(
        self,
        view: ConnectorView,
        owner: str,
        *,
        database: DatabaseThreads,
        lease_database: DatabaseThreads,
        line_hints: LineHints,
        wires: Wires,
    ) -> None:
        self.view, self._owner = view, owner
        self.lanes = Lanes()
        admission = Admission(view, database)
        self.pace = Pace(f"connector:{view.id}", view.tps, pacer())
        wire = wires.ring(Subject(WireLog.Kind.CONNECTOR, view.id))
        self.binds = [
            CarrierBind(
                view, number, owner=owner, lanes=self.lanes, pace=self.pace, admission=admission, database=database,
                lease_database=lease_database, line_hints=line_hints, wire=wire,
            )
            for number in range(1, view.binds + 1)
        ]  # fmt: skip

    @property
    def ready_to_send(self) -> bool:
        """Whether hints are of use here; else they belong to whoever holds the binds."""
        return any(bind.ready_to_send for bind in self.binds)

    def wants_hints(self, lane: Lane) -> bool:
        """Not more than two windows of ids of a lane are held in memory; a backlog of bulk keeps no otp out."""
        return self.ready_to_send and self.lanes.buffers[lane].waiting < 2 * self.view.window * self.view.binds

    def hint(self, lane: Lane, ids: Iterable[UUID], settle: Settle) -> None:
        """Ids of parts that are queued for this connector."""
        self.lanes.add(lane, Body(deque(ids), settle, time.monotonic()))
        self.wake()

    def stir(self, lanes: Iterable[Lane]) -> None:
        """The table has rows of these lanes."""
        self.lanes.stir(lanes)
        self.wake()

    def wake(self) -> None:
        """There is something to do."""
        for bind in self.binds:
            bind.wake()

    def tick(self) -> None:
        """Once a second: learn, and give back hints that nobody here could use."""
        self.pace.adapt()
        self.lanes.give_back(time.monotonic() - HELD_TOO_LONG if self.ready_to_send else float("inf"))

    def serves_like(self, view: ConnectorView) -> bool:
        """Whether its binds need not start anew for these settings."""
        return _without_judges(self.view) == _without_judges(view)

    def states(self) -> list[BindState]:
        """What the binds say of themselves."""
        ceiling = self.pace.ceiling
        return [
            report.row(
                bind.report, connector_id=self.view.id, bind_no=bind.bind_no, owner=self._owner,
                generation=self.view.generation, window_used=bind.window_used, rate=round(bind.rate, 1),
                ceiling=None if ceiling is None else round(ceiling, 1), probe_ms=bind.probe_ms,
            )
            for bind in self.binds
        ]  # fmt: skip

    def take_answers(self) -> Counter[int]:
        """What the carrier answered since the last look, by command_status."""
        return sum((bind.report.take_answers() for bind in self.binds), Counter())

    async def stop(self) -> None:
        """Stop all binds; hints go back to the broker."""
        await asyncio.gather(*(bind.stop() for bind in self.binds))
        self.lanes.give_back()


def _without_judges(view: ConnectorView) -> ConnectorView:
    """The settings without what only routing, billing and the life of a message look at."""
    return replace(
        view, desired="", cost=Decimal(0), currency="", monthly_limit=0, provider="", channel="", carrier_account="",
        id_rule="", uncertain_policy={}, max_attempts=0, failover_after=0, receipt_timeout=0,
    )  # fmt: skip
