"""The requests that wait for an answer: bounded, with deadlines, and every slot comes back."""

from dataclasses import dataclass
from typing import Any

from smpp.constants import MAX_SEQUENCE
from smpp.errors import WindowFull


@dataclass(frozen=True, slots=True)
class Slot:
    """One unanswered request. `sent_at` and `deadline` are monotonic seconds."""

    sequence: int
    command_id: int
    context: Any
    sent_at: float
    deadline: float


class Window:
    """Unanswered requests by sequence; at most `capacity` of them."""

    __slots__ = ("_earliest", "_last_sequence", "_slots", "capacity")

    def __init__(self, capacity: int, *, last_sequence: int = 0) -> None:
        self.capacity = capacity
        self._slots: dict[int, Slot] = {}
        self._last_sequence = last_sequence
        # Never later than the first deadline, so that a tick without expiry costs one comparison.
        self._earliest = float("inf")

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def free(self) -> int:
        """Slots that a new request may take."""
        return max(0, self.capacity - len(self._slots))

    def next_sequence(self) -> int:
        """Return the next number from 1 to 0x7FFFFFFF that no unanswered request uses (§3.2)."""
        sequence = self._last_sequence
        while True:
            sequence = sequence % MAX_SEQUENCE + 1
            if sequence not in self._slots:
                self._last_sequence = sequence
                return sequence

    def check_room(self) -> None:
        """Raise WindowFull if no slot is free."""
        if len(self._slots) >= self.capacity:
            raise WindowFull(f"{len(self._slots)} requests are unanswered")

    def open(self, slot: Slot) -> None:
        """Hold a slot; raises WindowFull when there is none."""
        self.check_room()
        self._slots[slot.sequence] = slot
        self._earliest = min(self._earliest, slot.deadline)

    def get(self, sequence: int) -> Slot | None:
        """Return the slot of `sequence` without freeing it."""
        return self._slots.get(sequence)

    def answer(self, sequence: int) -> Slot | None:
        """Free and return the slot of `sequence`; None if nobody waits for it."""
        return self._slots.pop(sequence, None)

    def expire(self, now: float) -> list[Slot]:
        """Free and return the slots whose deadline has come."""
        if now < self._earliest:
            return []
        late = [slot for slot in self._slots.values() if slot.deadline <= now]
        for slot in late:
            del self._slots[slot.sequence]
        self._earliest = min((slot.deadline for slot in self._slots.values()), default=float("inf"))
        return late

    def clear(self) -> list[Slot]:
        """Free and return every slot."""
        slots = list(self._slots.values())
        self._slots.clear()
        self._earliest = float("inf")
        return slots
