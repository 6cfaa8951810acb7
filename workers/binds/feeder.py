"""Feeding one session: claim what fits, write, wait until something changes.

Why it claims so little (architecture section 3, "The socket window"): what is claimed is in doubt if this
process dies, and out of reach of pause, cancel and failover. So: free window slots plus 50 ms of its rate.
"""

import asyncio

import structlog

from common.queues import Lane
from messaging.claims import ClaimedPart
from smpp.stream import Connection
from workers.binds.background import within
from workers.binds.claiming import Claimer
from workers.binds.link_keeper import LinkKeeper
from workers.binds.shared import Shared
from workers.binds.writer import Writer
from workers.database import DatabaseThreads
from workers.turns import Turns

log = structlog.get_logger(__name__)

CLAIM_LIMIT = 500
GATHER = 0.025  # seconds between two claims in which hints gather, while they are fewer than there is room for
IDLE = 5.0  # seconds between looks when nothing wakes the feeder
STORE_AWAY = 0.5  # seconds before the next try after a claim that failed


class Feeder:
    """Keeps the window of a session full."""

    def __init__(
        self, shared: Shared, *, claimer: Claimer, writer: Writer, link: LinkKeeper, database: DatabaseThreads
    ) -> None:
        self._view, self._ready, self._flights = shared.view, shared.ready, shared.flights
        self._lanes, self._pace, self._tenure = shared.lanes, shared.pace, shared.tenure
        self._claimer, self._writer, self._link, self._database = claimer, writer, link, database
        self._wake, self._ending, self._turns = asyncio.Event(), False, Turns(GATHER)

    def wake(self) -> None:
        """There may be something to do: a hint, a free slot, a session."""
        self._wake.set()

    def end(self) -> None:
        """Claim nothing more; `run` returns after its present step."""
        self._ending = True
        self._wake.set()

    def pump(self) -> None:
        """Write what is ready, if there is a session."""
        connection = self._link.up
        if connection is not None:
            self._writer.pump(connection)

    async def run(self) -> None:
        """Claim and write until `end`."""
        while not self._ending:
            self._wake.clear()
            claimed = await self._step()
            self.pump()
            if not claimed:
                await within(self._wake, self._rest())

    async def _step(self) -> bool:
        connection = self._link.up
        if connection is None or not self._tenure.held or self._flights.blocked:
            return False
        try:
            return await self._claim(connection)
        except Exception as error:  # the store is away: nothing is claimed, nothing lost
            log.warning("claim_failed", connector=self._view.name, error=str(error))
            await asyncio.sleep(STORE_AWAY)
            return True

    async def _claim(self, connection: Connection) -> bool:
        fence = self._tenure.fence
        if self._claimer.lost_track:
            await self._claimer.find_lost(self._flights.known() | self._ready.ids(), fence)
        if self._turns.left and self._lanes.scarce(connection.session.free_slots):
            await asyncio.sleep(self._turns.left)
            return True  # lease and session may have changed
        await self._refill(connection)
        room = self._room(connection)
        if room <= 0:
            return False
        parts = await self._claimer.claim(room, fence)
        if parts:
            self._take(parts, fence)
            self._turns.ended()
        return parts is not None

    async def _refill(self, connection: Connection) -> None:
        """TPS tokens for what waits and may be written; not more, because unused ones are lost to others."""
        wanted = self._ready.writable
        if self._lanes.pick() is not None:
            wanted = max(wanted, connection.session.free_slots)
        self._pace.kept = min(1, self._lanes.otp_slots(self._view.window))
        if self._pace.wants(wanted):
            await self._database.run(self._pace.refill, wanted)

    def _room(self, connection: Connection) -> int:
        waiting = self._ready.writable
        free = connection.session.free_slots - self._lanes.otp_slots(self._view.window)
        room = min(CLAIM_LIMIT, free + self._writer.meter.ahead - waiting)
        room = min(room, self._pace.allowed - waiting) if self._pace.limited else room
        if room > 0 or not self._lanes.otp_waits:
            return room
        # What was claimed of other lanes waits for slots and tokens: an otp is claimed all the same, and goes first.
        return max(1, self._lanes.otp_slots(self._view.window)) - self._ready.count(Lane.OTP)

    def _take(self, parts: list[ClaimedPart], fence: int) -> None:
        if self._ending or not self._tenure.holds(fence) or self._link.up is None:
            self._flights.not_written(parts, fence)  # it changed while the store worked
            return
        self._ready.fence = fence
        self._ready.add(parts)

    def _is_open(self) -> bool:
        """Whether the window has a slot for what waits; when it has none, the carrier's next answer wakes us."""
        connection = self._link.up
        if connection is None:
            return False
        otp = self._lanes.otp_waits or self._ready.count(Lane.OTP)
        return connection.session.free_slots > (0 if otp else self._lanes.otp_slots(self._view.window))

    def _rest(self) -> float:
        """Seconds after which something may be due that wakes nobody: a token, the end of a pause."""
        wait = IDLE
        if self._flights.blocked:
            wait = min(wait, 0.05)
        if self._is_open() and (self._ready.writable or self._lanes.pick() is not None):
            wait = min(wait, max(self._pace.wait, 0.001) if self._pace.limited else IDLE)
        pause = self._lanes.pause_left()
        return wait if pause is None else min(wait, pause + 0.001)
