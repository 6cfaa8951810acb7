"""Keeping one bind's lease: who holds it may write to the carrier, and stops writing before it ends.

The deadline is taken before the renewal was sent and lies LEASE_MARGIN before the database's own, so that two
owners never write at once (architecture section 3, "The socket window").
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from messaging import leases
from workers.binds import ownership
from workers.binds.background import within
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

LEASE_SECONDS = 13.0  # with the asking and the bind itself, another host has taken over within 15 s
LEASE_MARGIN = 3.0  # seconds before the end of the lease at which writing stops
RENEW_EVERY = 4.0
ASK_EVERY = 1.0  # seconds between tries for a lease that somebody else holds, or to reach the store


class Tenure:
    """The lease of one bind in this process. `on_change(True)` when it is won, `on_change(False)` when lost."""

    def __init__(
        self,
        database: DatabaseThreads,
        *,
        connector_id: int,
        bind_no: int,
        owner: str,
        on_change: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._place, self._owner = database, (connector_id, bind_no), ownership.marked(owner)
        self._on_change, self._clock = on_change, clock
        self._lease: leases.Lease | None = None
        self._deadline = 0.0
        self._released = asyncio.Event()

    @property
    def fence(self) -> int:
        """The number of the present lease, 0 without one."""
        return self._lease.fence if self._lease is not None else 0

    @property
    def held(self) -> bool:
        """Whether we may write now."""
        return self._lease is not None and self._clock() < self._deadline

    def holds(self, fence: int) -> bool:
        """Whether we may write now what was claimed under `fence`."""
        return self._lease is not None and self._lease.fence == fence and self._clock() < self._deadline

    async def keep(self) -> None:
        """Win the lease, renew it, win it again when it is lost; until it is released."""
        while not self._released.is_set():
            await self._once()
            await within(self._released, self._pause())

    def _pause(self) -> float:
        if self._lease is None:
            return ASK_EVERY
        return min(RENEW_EVERY, max(0.1, self._deadline - self._clock()))

    async def _once(self) -> None:
        asked = self._clock()
        try:
            if self._lease is not None:
                await self._renew(self._lease, asked)
            if self._lease is None:
                await self._acquire()
        except Exception as error:  # the store is away: the lease runs out by itself, writing stops in time
            log.warning("lease_not_renewed", place=self._place, error=str(error))
        if self._lease is not None and not self.held:
            self._lose("not renewed in time")

    async def _renew(self, lease: leases.Lease, asked: float) -> None:
        asking = asyncio.ensure_future(self._database.run(leases.renew, lease, ttl=LEASE_SECONDS))
        await asyncio.wait({asking}, timeout=max(0.0, self._deadline - self._clock()))
        if not asking.done():
            await self._give_way(lease, asking)
        elif asking.result():
            self._deadline = asked + LEASE_SECONDS - LEASE_MARGIN
        else:
            self._lose("somebody else's, or ended")

    async def _give_way(self, lease: leases.Lease, asking: asyncio.Future[bool]) -> None:
        """The store hangs: the session ends at the deadline, not when the store answers."""
        self._lose("not renewed in time")
        if await asking:  # it was extended after all, for nobody
            await self._database.run(leases.release, lease)

    async def _acquire(self) -> None:
        asked = self._clock()
        lease = await self._database.run(self._take)
        if lease is not None:
            self._lease, self._deadline = lease, asked + LEASE_SECONDS - LEASE_MARGIN
            log.info("lease_won", place=self._place, fence=lease.fence, abandoned=lease.abandoned)
            self._on_change(True)

    def _take(self) -> leases.Lease | None:
        """A free lease, or at once that of a process of this machine that was killed."""
        lease = leases.acquire(*self._place, self._owner, ttl=LEASE_SECONDS)
        if lease is None and ownership.surely_dead(former := leases.holder(*self._place)):
            lease = leases.acquire(*self._place, self._owner, ttl=LEASE_SECONDS, instead_of=former)
        return lease

    def _lose(self, why: str) -> None:
        log.warning("lease_lost", place=self._place, why=why)
        self._lease = None
        self._on_change(False)

    async def release(self, *, give_up: bool) -> None:
        """Keep it no more; `give_up` lets the next owner have it at once, else it runs out."""
        self._released.set()
        lease, self._lease = self._lease, None
        if lease is not None and give_up:
            try:
                await self._database.run(leases.release, lease)
            except Exception as error:  # it runs out by itself
                log.warning("lease_not_released", place=self._place, error=str(error))
