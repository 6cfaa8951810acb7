"""Part ids that wait in memory for a window slot, by lane, and which lanes have rows in the table."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle
from uuid import UUID

from common.queues import Lane

# otp is asked first whenever it has something: it is small by definition (only flagged clients reach it) and
# must not wait behind a campaign. The others by turns, four to one.
TURNS = (Lane.TRANSACTIONAL,) * 4 + (Lane.BULK,)
SILENCE = 2.0  # seconds without a hint after which a lane is looked for in the table
OVERDUE = 15.0  # seconds after which it is looked for although hints keep coming: one of them may have been lost
OTP_MEMORY = 600.0  # seconds after the last otp in which a share of window and tokens is kept free for the next
OTP_SHARE = 10  # one slot of so many, and at least one
SMALL_WINDOW = 4  # below, no slot can be spared
MESSAGE_SHIFT = 51  # ids of one message's parts differ in their low 51 bits only (common.ids.derive)


@dataclass(slots=True, eq=False)
class Body:
    """One AMQP body: acked when the claim of its last id has committed."""

    ids: deque[UUID]
    settle: Callable[[bool], None]  # True: ack, False: give back
    received: float
    claiming: int = 0  # ids taken out of it, whose claim has not ended


@dataclass(frozen=True, slots=True)
class Taken:
    """Ids on their way into a claim, with the bodies that they came from."""

    ids: list[UUID]
    pieces: list[tuple[Body, list[UUID]]]

    def claimed(self) -> None:
        """The claim has committed: bodies without anything left are acked."""
        for body, ids in self.pieces:
            body.claiming -= len(ids)
            if not body.ids and not body.claiming:
                body.settle(True)


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
        self.heard = body.received
        if not body.ids:
            body.settle(True)
            return
        self.bodies.append(body)
        self.waiting += len(body.ids)

    def take(self, limit: int) -> Taken:
        """Up to `limit` ids in order, never cutting a message that fits."""
        taken = Taken([], [])
        while self.bodies and len(taken.ids) < limit:
            body, piece = self.bodies[0], []
            while body.ids and (len(taken.ids) < limit or _same_message(taken.ids[-1], body.ids[0])):
                piece.append(body.ids.popleft())
                taken.ids.append(piece[-1])
            body.claiming += len(piece)
            taken.pieces.append((body, piece))
            if not body.ids:
                self.bodies.popleft()
        self.waiting -= len(taken.ids)
        return taken

    def put_back(self, taken: Taken) -> None:
        """The claim failed: the ids wait again, at the place where they were."""
        for body, ids in reversed(taken.pieces):
            body.claiming -= len(ids)
            if not any(other is body for other in self.bodies):
                self.bodies.appendleft(body)
            body.ids.extendleft(reversed(ids))
            self.waiting += len(ids)

    def give_back(self, held_since: float) -> None:
        """Return bodies that were held unclaimed since before `held_since`, so that others may have them."""
        kept: deque[Body] = deque()
        for body in self.bodies:
            if body.received < held_since and not body.claiming:
                self.waiting -= len(body.ids)
                body.settle(False)
            else:
                kept.append(body)
        self.bodies = kept

    def throttled(self, now: float, at_least: float, at_most: float) -> None:
        """The carrier asks for less: pause, longer each time it asks again within twice the pause."""
        if now < self.paused_until:
            return
        again = self.pause > 0 and now - self.paused_until < 2 * self.pause
        self.pause = min(self.pause * 2, at_most) if again else at_least
        self.paused_until = now + self.pause


class Lanes:
    """The three lanes of one connector, shared by its binds in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.buffers = {lane: LaneBuffer() for lane in Lane}
        self._turns = cycle(TURNS)
        self._stirred: set[Lane] = set()
        self._looked = dict.fromkeys(Lane, float("-inf"))

    def add(self, lane: Lane, body: Body) -> None:
        """A body of hints arrived."""
        self.buffers[lane].add(body)

    def pick(self) -> tuple[Lane, bool] | None:
        """The lane to be claimed next and whether from the table; None when all are empty or paused."""
        now = self._clock()
        lanes = [
            lane
            for lane, buffer in self.buffers.items()
            if (buffer.waiting or lane in self._stirred) and now >= buffer.paused_until
        ]
        if not lanes:
            return None
        lane = Lane.OTP if Lane.OTP in lanes else next(lane for lane in self._turns if lane in lanes)
        return lane, lane in self._stirred

    # -- the share of otp

    @property
    def otp_waits(self) -> bool:
        """Whether an otp may be claimed now."""
        buffer = self.buffers[Lane.OTP]
        return bool(buffer.waiting or Lane.OTP in self._stirred) and self._clock() >= buffer.paused_until

    def otp_slots(self, window: int) -> int:
        """Slots of a window that the other lanes leave free: none where no otp comes.

        A window that bulk has filled frees its next slot only when the carrier answers, which an otp cannot wait for.
        """
        expected = self._clock() - self.buffers[Lane.OTP].heard < OTP_MEMORY
        return max(1, window // OTP_SHARE) if expected and window >= SMALL_WINDOW else 0

    # -- the table

    def quiet(self) -> list[Lane]:
        """Lanes that should be looked for in the table."""
        now = self._clock()
        return [lane for lane, buffer in self.buffers.items() if self._is_due(lane, buffer, now)]

    def _is_due(self, lane: Lane, buffer: LaneBuffer, now: float) -> bool:
        if lane in self._stirred or now < buffer.paused_until:
            return False
        silent = not buffer.waiting and now - buffer.heard >= SILENCE
        return silent or now - self._looked[lane] >= OVERDUE

    def looked(self, lanes: Iterable[Lane]) -> None:
        """These were looked for just now."""
        self._looked.update(dict.fromkeys(lanes, self._clock()))

    def stir(self, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        """The table has, or may have, rows of these lanes: claim from there until it gives no more."""
        self._stirred.update(lanes)

    def settled(self, lane: Lane) -> None:
        """The table gave less than was asked for."""
        self._stirred.discard(lane)
        self._looked[lane] = self._clock()

    # -- pauses

    def is_paused(self, lane: str) -> bool:
        """Whether the carrier wants a pause of this lane."""
        until = self.buffers[Lane(lane)].paused_until
        return until > 0.0 and self._clock() < until

    def pause_left(self) -> float | None:
        """Seconds until the next pause ends, None without one."""
        now = self._clock()
        return min((b.paused_until - now for b in self.buffers.values() if b.paused_until > now), default=None)

    def give_back(self, held_since: float = float("inf")) -> None:
        """Return hints that were held since before, all by default."""
        for buffer in self.buffers.values():
            buffer.give_back(held_since)

    def scarce(self, room: int) -> bool:
        """Whether there are hints, but fewer than there is room for."""
        return not self._stirred and 0 < self.waiting < room

    @property
    def waiting(self) -> int:
        """Ids held in memory."""
        return sum(buffer.waiting for buffer in self.buffers.values())


def _same_message(one: UUID, other: UUID) -> bool:
    return one.int >> MESSAGE_SHIFT == other.int >> MESSAGE_SHIFT
