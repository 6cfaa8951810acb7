"""Claiming parts for one bind: from hints, or from the table when it has rows that no hint came for."""

import time
from datetime import timedelta
from typing import Any, TypedDict
from uuid import UUID

import structlog

from common.ids import derive
from common.queues import Lane
from connectors.models import LongMessages
from connectors.snapshot import ConnectorView
from messaging import claims
from messaging.claims import ClaimedPart
from messaging.models import Part, Status
from messaging.rows import database_now
from workers.binds.lanes import Lanes
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)


CLOCKS_DIFFER = 1.0  # seconds


class _Place(TypedDict):
    connector_id: int
    bind_no: int
    fence: int


class Claimer:
    """Takes ids out of the lanes and claims their rows; after a fault it finds what was claimed unheard."""

    def __init__(self, view: ConnectorView, bind_no: int, *, lanes: Lanes, database: DatabaseThreads) -> None:
        self._view, self._bind_no, self._lanes, self._database = view, bind_no, lanes, database
        self._lost_since: float | None = None  # when a claim began that failed: its COMMIT may have happened

    @property
    def lost_track(self) -> bool:
        """Whether rows may be claimed for us that we do not know of."""
        return self._lost_since is not None

    async def claim(self, room: int, fence: int) -> list[ClaimedPart] | None:
        """At most `room` parts (a message is not cut); None when no lane has anything. Raises what the store raises."""
        picked = self._lanes.pick()
        if picked is None:
            return None
        began = time.monotonic()
        try:
            return await self._of(*picked, room, fence)
        except BaseException:
            self._lost_since = began if self._lost_since is None else self._lost_since
            raise

    async def _of(self, lane: Lane, from_table: bool, room: int, fence: int) -> list[ClaimedPart]:
        place: _Place = {"connector_id": self._view.id, "bind_no": self._bind_no, "fence": fence}
        if from_table:
            parts = await self._rows(place, lane, None, room)
            if len(parts) < room:
                self._lanes.settled(lane)
            return parts
        buffer = self._lanes.buffers[lane]
        taken = buffer.take(room)
        try:
            parts = await self._rows(place, lane, taken.ids, len(taken.ids))
        except BaseException:
            buffer.put_back(taken)
            raise
        taken.claimed()
        return parts

    async def _rows(self, place: _Place, lane: Lane, ids: list[UUID] | None, limit: int) -> list[ClaimedPart]:
        parts = await self._database.run(claims.claim, **place, lane=lane, ids=ids, limit=limit)
        # The limit may have cut a message: one bind sends all its parts in order, and message_payload carries it whole.
        missing = _missing(parts, parts if self._view.long_messages == LongMessages.PAYLOAD else parts[-1:])
        if missing:
            more = await self._database.run(claims.claim, **place, lane=lane, ids=missing, limit=len(missing))
            parts = sorted([*parts, *more], key=lambda part: part.part_id)
        return parts

    async def find_lost(self, known: set[UUID], fence: int) -> int:
        """Hand back rows that are claimed under our fence although nobody here knows of them; returns how many.

        A claim whose COMMIT was not heard leaves such rows. `known` was collected before this was called.
        Nothing else may claim under the fence meanwhile, so what is not known was never written.
        """
        place: _Place = {"connector_id": self._view.id, "bind_no": self._bind_no, "fence": fence}
        ago = time.monotonic() - (self._lost_since or 0.0) + CLOCKS_DIFFER
        held = await self._database.run(_held, timedelta(seconds=ago), **place)
        lost = held - known
        if lost:
            log.warning("claims_found_again", connector=self._view.name, bind=self._bind_no, count=len(lost))
            await self._database.run(claims.hand_back, lost, **place)
        self._lost_since = None
        return len(lost)


def _held(ago: timedelta, **place: Any) -> set[UUID]:
    since = database_now() - ago
    held = Part.objects.filter(status=Status.SUBMITTING, claimed_at__gte=since, **place)
    return set(held.values_list("id", flat=True))


def _missing(parts: list[ClaimedPart], of: list[ClaimedPart]) -> list[UUID]:
    """Siblings of some of the parts that are not among the parts."""
    have = {part.part_id for part in parts}
    wanted = [derive(part.message_id, seq) for part in of if part.total > 1 for seq in range(1, part.total + 1)]
    return sorted(set(wanted) - have)
