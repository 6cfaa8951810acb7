"""Which answer belongs to which request, by link, direction and sequence; told from headers alone."""

import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from messaging.wirelog.entries import EVENT, Entry
from smpp.constants import RESPONSE_BIT, CommandId

_HEADER: Final = struct.Struct(">LLLL")
_MOST_OPEN: Final = 10_000


@dataclass(slots=True, eq=False)
class Talk:
    """A request and what came of it."""

    asked_at: float


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry with the row and the place where it lies, its header's numbers, and the talk that it belongs to.

    `seconds` are those that an answer took.
    """

    entry: Entry
    row: UUID
    index: int
    command_id: int
    status: int
    sequence: int
    talk: Talk | None
    seconds: float | None

    @property
    def id(self) -> str:
        """Sorts by time; the same whenever it is read."""
        return f"{round(self.entry.at * 1e6):016x}-{self.row.hex}-{self.index:04x}"

    @property
    def command(self) -> str:
        """The command's name, empty for an event."""
        if self.entry.way == EVENT:
            return ""
        try:
            return CommandId(self.command_id).name.lower()
        except ValueError:
            return f"0x{self.command_id:08x}"


class Talks:
    """Pairs entries that come in the order of time; remembers requests without an answer for the next call."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str, int, int], Talk] = OrderedDict()

    def pair(self, found: Iterable[tuple[Entry, UUID, int, str]]) -> Iterator[Placed]:
        """Entries (with row, place and process) as Placed."""
        for entry, row, index, process in found:
            if entry.way == EVENT or len(entry.frame) < _HEADER.size:
                yield Placed(entry, row, index, 0, 0, 0, None, None)
                continue
            _, command, status, sequence = _HEADER.unpack_from(entry.frame)
            if command & RESPONSE_BIT:
                talk = self._open.pop((process, entry.link, 1 - entry.way, sequence), None)
                seconds = max(0.0, entry.at - talk.asked_at) if talk else None
            else:
                talk, seconds = Talk(entry.at), None
                self._open[process, entry.link, entry.way, sequence] = talk
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            yield Placed(entry, row, index, command, status, sequence, talk, seconds)
