"""The wire log in memory: taps that cost a microsecond a PDU, and one write for all of them every two seconds.

Nothing is decoded here (messaging.wirelog does, for those who look). What is kept is bounded: so many PDUs a subject,
so many octets a PDU, and a subject is a client, a connector, or all those together whom nobody knows.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from messaging import wirelog
from messaging.wirelog import EVENT, Entry, Subject
from smpp.tapping import MAY_HOLD_PASSWORD, Tap, without_password
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

WRITE_EVERY: Final = 2.0  # seconds
TRIM_EVERY: Final = 30.0  # seconds between looks at what has become too much
MOST_OCTETS: Final = 4_096  # of one PDU: a message_payload of 64 KiB a thousand times would be much
MOST_WAITING: Final = 20_000  # entries of all subjects while the store is away
_VISITORS_KEEP: Final = 8  # PDUs of a session before anybody knows whose it is

Raw = tuple[float, int, str, bytes, str]  # an Entry, before it is one: a plain tuple is made in half the time


class Ring:
    """The newest entries of one subject that are not written yet. Not for threads."""

    __slots__ = ("entries", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.entries: deque[Raw] = deque(maxlen=wirelog.kept(subject))

    def tap(self, link: str) -> Tap:
        """What a session calls for each PDU; `link` names it."""
        return _tap(self.entries.append, link)

    def event(self, link: str, note: str) -> None:
        """Something happened that is no PDU."""
        self.entries.append((time.time(), EVENT, link, b"", note))


def _tap(keep: Callable[[Raw], object], link: str) -> Tap:
    clock = time.time

    def tap(way: int, frame: bytes, note: str) -> None:
        if frame[7] in MAY_HOLD_PASSWORD:
            frame = without_password(frame)
        # A slice that is the whole of it is no copy.
        keep((clock(), way, link, frame[:MOST_OCTETS], note))

    return tap


class Visitor:
    """The wire of a session before anybody knows whose it is; `settle` says it, once, and it goes on there."""

    __slots__ = ("_before", "_ring", "link", "tap")

    def __init__(self, link: str) -> None:
        self.link = link
        self._before: deque[Raw] = deque(maxlen=_VISITORS_KEEP)
        self._ring: Ring | None = None
        self.tap = _tap(self._before.append, link)

    @property
    def settled(self) -> bool:
        """Whether it is known."""
        return self._ring is not None

    def settle(self, ring: Ring) -> Tap:
        """It is this subject's wire, and what came before was; returns the tap to go on with."""
        self._ring = ring
        ring.entries.extend(self._before)
        self._before.clear()
        self.tap = ring.tap(self.link)
        return self.tap

    def event(self, note: str) -> None:
        """Something happened that is no PDU."""
        if self._ring is not None:
            self._ring.event(self.link, note)
        else:
            self._before.append((time.time(), EVENT, self.link, b"", note))


class Wires:
    """All rings of one process; `write` brings what is new into the table."""

    def __init__(self, process: str, database: DatabaseThreads) -> None:
        self._process, self._database = process, database
        self._rings: dict[Subject, Ring] = {}
        self._grown: set[Subject] = set()
        self._trimmed_at = time.monotonic()

    def ring(self, subject: Subject) -> Ring:
        """The ring of a subject; there are as many as clients and connectors that came by."""
        found = self._rings.get(subject)
        if found is None:
            found = self._rings[subject] = Ring(subject)
        return found

    @property
    def strangers(self) -> Ring:
        """Where those are whom nobody knows."""
        return self.ring(wirelog.STRANGERS)

    async def write(self) -> None:
        """Write what is new; when the store is away, keep the newest of it for the next time."""
        batches = [(ring, list(ring.entries)) for ring in self._rings.values() if ring.entries]
        for ring, _ in batches:
            ring.entries.clear()
        try:
            if batches:
                rows = [(ring.subject, [Entry(*raw) for raw in raws]) for ring, raws in batches]
                await self._database.run(wirelog.store, self._process, rows)
        except Exception as error:  # only people read these rows
            log.info("wire_log_not_written", error=str(error))
            _put_back(batches)
            return
        self._grown.update(ring.subject for ring, _ in batches)
        await self._trim()

    async def _trim(self) -> None:
        if not self._grown or time.monotonic() - self._trimmed_at < TRIM_EVERY:
            return
        grown, self._grown, self._trimmed_at = self._grown, set(), time.monotonic()
        try:
            await self._database.run(wirelog.trim, grown)
        except Exception as error:  # the next one will
            log.info("wire_log_not_trimmed", error=str(error))
            self._grown |= grown


def _put_back(batches: list[tuple[Ring, list[Raw]]]) -> None:
    """Before what came meanwhile; the oldest go where it is too much."""
    share = max(MOST_WAITING // max(len(batches), 1), 1)
    for ring, raws in batches:
        newer = list(ring.entries)
        ring.entries.clear()
        ring.entries.extend((raws + newer)[-share:])
