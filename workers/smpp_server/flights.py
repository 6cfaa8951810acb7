"""What is under way to one client, and what an answer of his means for the row."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from messaging import mailbox
from messaging.mailbox import Handed, Held
from messaging.models import Delivery
from smpp.constants import status_name
from smpp.pdu import Pdu
from smpp.status_classes import StatusClass, classify

NOT_ANSWERED: Final = -1  # in place of a command_status
PATIENCE: Final = 10  # put off in a row, before the client is left alone for a while
LONGEST_PAUSE: Final = 30.0  # seconds
# The client says "not now" (spec/smpp.md 5.7); anything else is his last word.
_LATER: Final = frozenset({StatusClass.THROTTLE, StatusClass.BUSY, StatusClass.TEMPORARY, StatusClass.SESSION})


@dataclass(slots=True, eq=False)
class Flight:
    """One delivery on one session: PDUs that have not gone out yet, and how many wait for an answer."""

    held: Held
    rest: deque[Pdu]
    out: int = 0
    failed: int = 0  # the first command_status that was not 0
    broken: str = ""  # why it can never be written

    @property
    def goes_on(self) -> bool:
        """Whether more of it is to be written."""
        return bool(self.rest) and not self.failed and not self.broken

    @property
    def landed(self) -> bool:
        """Whether nothing of it is under way, nor will be."""
        return not self.out and not self.goes_on

    def answered(self, status: int) -> None:
        """One PDU of it was answered so."""
        self.out -= 1
        self.failed = self.failed or status

    def verdict(self) -> Handed:
        """What became of it: taken, later, or never."""
        if self.broken:
            return never(self.held, self.broken)
        if not self.failed:
            return Handed(self.held, Delivery.State.DELIVERED, 0.0, 0)
        wait = mailbox.wait_after(self.held.tries + 1)
        if self.failed == NOT_ANSWERED:
            return Handed(self.held, Delivery.State.PENDING, wait, None, "not answered in time")
        if classify(self.failed) in _LATER:
            return Handed(self.held, Delivery.State.PENDING, wait, self.failed, status_name(self.failed))
        return Handed(self.held, Delivery.State.EXHAUSTED, 0.0, self.failed, f"refused: {status_name(self.failed)}")


def never(held: Held, why: str) -> Handed:
    """It cannot be handed over at all."""
    return Handed(held, Delivery.State.EXHAUSTED, 0.0, None, why)


def untried(held: Held) -> Handed:
    """It goes back as it came."""
    return Handed(held, Delivery.State.PENDING, 0.0, None, "", tried=False)


@dataclass(slots=True)
class Box:
    """What this process holds for one client: rows with the moment of their claim, and how many are under way.

    A client who puts off, or leaves unanswered, one after the other is asked more and more rarely, with one at a
    time: else every row of a long mailbox would be put off, each with a write and a date of its own.
    """

    waiting: deque[tuple[Held, float]] = field(default_factory=deque)
    flying: int = 0
    wanted: int = 0  # rows that it may hold, as of the last look
    more: bool = False  # the last claim left something behind, or there was no room for one
    put_off: int = 0  # in a row
    pauses: int = 0  # in a row
    closed_until: float = 0.0

    def heard(self, result: Handed, now: float) -> None:
        """One has come back."""
        self.flying -= 1
        if result.state != Delivery.State.PENDING:
            self.put_off = self.pauses = 0
            return
        self.put_off += 1
        if self.put_off >= PATIENCE and not self.flying:
            self.closed_until = now + min(2.0**self.pauses, LONGEST_PAUSE)
            self.pauses += 1

    def is_open(self, now: float) -> bool:
        """Whether more may go out now."""
        return self.put_off < PATIENCE or (now >= self.closed_until and not self.flying)

    @property
    def held(self) -> int:
        """Rows in our hands."""
        return len(self.waiting) + self.flying

    @property
    def room(self) -> int:
        """Rows that may be claimed; few at a time would be many statements, so half of it must be free."""
        return self.wanted - self.held if self.held * 2 <= self.wanted else 0
