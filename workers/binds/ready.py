"""Parts that a bind has claimed and not written yet, by lane, oldest first."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import cycle, takewhile
from uuid import UUID

from common.queues import Lane
from messaging.claims import ClaimedPart
from workers.binds.lanes import TURNS


class Ready:
    """All of one fence: what another owner may have taken is never among them."""

    def __init__(self, is_paused: Callable[[str], bool]) -> None:
        self.fence = 0
        self._is_paused = is_paused
        self._lanes: dict[str, deque[ClaimedPart]] = {lane.value: deque() for lane in Lane}
        self._turns = cycle(TURNS)
        self._again = ""  # the lane whose message has begun, or whose part could not be written yet: it keeps its turn

    def __len__(self) -> int:
        return sum(len(line) for line in self._lanes.values())

    @property
    def writable(self) -> int:
        """Parts of lanes without a pause."""
        return sum(len(line) for lane, line in self._lanes.items() if line and not self._is_paused(lane))

    def add(self, parts: Iterable[ClaimedPart]) -> None:
        """Claimed just now, in order."""
        for part in parts:
            self._lanes[part.lane].append(part)

    def put_back(self, parts: Iterable[ClaimedPart]) -> None:
        """Thrown back by the carrier: they go first, in the order of their ids."""
        for part in parts:
            line = self._lanes[part.lane]
            self._lanes[part.lane] = deque(sorted([part, *line], key=lambda other: other.part_id))

    def next(self, *, otp_only: bool = False) -> ClaimedPart | None:
        """The next part to be written: otp before all, the other lanes by turns; None when all wait or pause."""
        lanes = [lane for lane, line in self._lanes.items() if line and not self._is_paused(lane)]
        if otp_only:
            lanes = [lane for lane in lanes if lane == Lane.OTP]
        if not lanes:
            return None
        chosen = self._choose(lanes)
        line = self._lanes[chosen]
        part = line.popleft()
        if line and line[0].message_id == part.message_id:
            self._again = chosen  # the parts of a message go one after the other
        elif chosen == self._again:
            self._again = ""
        return part

    def _choose(self, lanes: list[str]) -> str:
        if len(lanes) == 1 or Lane.OTP in lanes:
            return Lane.OTP if Lane.OTP in lanes else lanes[0]
        if self._again in lanes:
            return self._again
        return next(lane for lane in self._turns if lane in lanes)

    def again(self, part: ClaimedPart) -> None:
        """It was `next`, and could not be written yet: it is next once more, before the other lanes but otp."""
        self._lanes[part.lane].appendleft(part)
        self._again = part.lane

    def following(self, part: ClaimedPart) -> int:
        """How many parts of the same message come right after this one, which was `next`."""
        if part.total == 1:
            return 0
        rest = takewhile(lambda other: other.message_id == part.message_id, self._lanes[part.lane])
        return sum(1 for _ in rest)

    def count(self, lane: Lane) -> int:
        """Parts of a lane."""
        return len(self._lanes[lane])

    def siblings(self, part: ClaimedPart) -> list[ClaimedPart]:
        """Take out the other parts of the same message."""
        line = self._lanes[part.lane]
        rest = [other for other in line if other.message_id == part.message_id]
        for other in rest:
            line.remove(other)
        return rest

    def take_all(self) -> list[ClaimedPart]:
        """Everything, in order; nothing is left."""
        parts = [part for line in self._lanes.values() for part in line]
        for line in self._lanes.values():
            line.clear()
        return parts

    def ids(self) -> set[UUID]:
        """Ids of everything here."""
        return {part.part_id for line in self._lanes.values() for part in line}
