"""Part ids that wait in memory for a window slot, by lane."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from uuid import UUID

from common.queues import Lane

# Of every 21 turns otp has 16, transactional 4, bulk 1, and otp is asked first whenever it has something: it
# is small by definition (only flagged clients reach it) and must not wait behind a campaign.
TURNS = (Lane.TRANSACTIONAL,) * 4 + (Lane.BULK,)
SILENCE = 2.0  # seconds without a hint after which a lane is claimed from the table
MESSAGE_SHIFT = 51  # ids of one message's parts differ in their low 51 bits only (common.ids.derive)


@dataclass(slots=True)
class Body:
    """One AMQP body: acked when the last of its ids is claimed."""

    ids: deque[UUID]
    settle: Callable[[bool], None]  # True: ack, False: give back
    received: float


@dataclass(slots=True)
class LaneBuffer:
    """Hints of one lane, and until when the carrier wants a pause."""

    bodies: deque[Body] = field(default_factory=deque)
    waiting: int = 0
    heard: float = float("-inf")
    paused_until: float = 0.0
    pause: float = 0.0  # seconds of the last pause, grows while throttling goes on

    def add(self, body: Body) -> None:
        """A body arrived."""
        self.bodies.append(body)
        self.waiting += len(body.ids)
        self.heard = body.received

    def take(self, limit: int) -> tuple[list[UUID], list[Body]]:
        """Up to `limit` ids in order, never cutting a message that fits, and the bodies that they used up."""
        ids: list[UUID] = []
        spent: list[Body] = []
        while self.bodies and len(ids) < limit:
            body = self.bodies[0]
            while body.ids and (len(ids) < limit or _same_message(ids[-1], body.ids[0])):
                ids.append(body.ids.popleft())
            if not body.ids:
                spent.append(self.bodies.popleft())
        self.waiting -= len(ids)
        return ids, spent

    def give_back(self, held_since: float) -> None:
        """Return bodies that were held unclaimed since before `held_since`, so that others may have them."""
        kept: deque[Body] = deque()
        for body in self.bodies:
            if body.received < held_since:
                self.waiting -= len(body.ids)
                body.settle(False)
            else:
                kept.append(body)
        self.bodies = kept

    def throttled(self, now: float, at_least: float, at_most: float) -> None:
        """The carrier asks for less: pause, longer each time it asks again within twice the pause."""
        if now < self.paused_until:
            return
        again = now - self.paused_until < 2 * self.pause
        self.pause = min(self.pause * 2, at_most) if again else at_least
        self.paused_until = now + self.pause


class Lanes:
    """The three lanes of one connector, shared by its binds in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.buffers = {lane: LaneBuffer() for lane in Lane}
        self._turns = cycle(TURNS)
        self._polled = dict.fromkeys(Lane, float("-inf"))

    def add(self, lane: Lane, body: Body) -> None:
        """A body of hints arrived."""
        self.buffers[lane].add(body)

    def pick(self) -> Lane | None:
        """The lane whose hints are to be claimed next, None when all are empty or paused."""
        now = self._clock()
        open_lanes = {lane for lane, buffer in self.buffers.items() if buffer.waiting and now >= buffer.paused_until}
        if Lane.OTP in open_lanes:
            return Lane.OTP
        if not open_lanes:
            return None
        return next(lane for lane in self._turns if lane in open_lanes)

    def silent(self) -> Lane | None:
        """A lane to claim from the table: no hint and no look for SILENCE seconds. The look is counted."""
        now = self._clock()
        for lane, buffer in self.buffers.items():
            quiet = now - max(buffer.heard, self._polled[lane]) >= SILENCE
            if quiet and not buffer.waiting and now >= buffer.paused_until:
                self._polled[lane] = now
                return lane
        return None

    def look_again(self, lane: Lane) -> None:
        """The table gave as much as was asked for: there may be more, do not wait."""
        self._polled[lane] = float("-inf")
        self.buffers[lane].heard = float("-inf")

    def is_paused(self, lane: str) -> bool:
        """Whether the carrier wants a pause of this lane."""
        return self._clock() < self.buffers[Lane(lane)].paused_until

    def next_pause_end(self) -> float | None:
        """When the next pause ends (monotonic), None without one."""
        ends = [b.paused_until for b in self.buffers.values() if b.paused_until > self._clock()]
        return min(ends, default=None)

    @property
    def waiting(self) -> int:
        """Ids held in memory."""
        return sum(buffer.waiting for buffer in self.buffers.values())


def _same_message(one: UUID, other: UUID) -> bool:
    return one.int >> MESSAGE_SHIFT == other.int >> MESSAGE_SHIFT
