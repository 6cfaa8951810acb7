"""What the wire log keeps of one PDU, and many of them as one value."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from smpp.tapping import RECEIVED, SENT

EVENT: Final = 2  # no PDU: a session began or ended, and why
WAYS: Final = {RECEIVED: "in", SENT: "out", EVENT: "event"}
LONGEST_NOTE: Final = 500  # characters
_HEAD: Final = struct.Struct(">QBBHH")  # microseconds since 1970, way, octets of link, note and frame
_VERSION: Final = b"\x01"
_LONGEST_LINK: Final = 255
_FAST: Final = 1  # compression: half as much again as level 6 takes, in a third of the time


class Subject(NamedTuple):
    """Whose wire: a WireLog.Kind and the id of the client or connector, 0 for whom nobody knows."""

    kind: str
    key: int


class Entry(NamedTuple):
    """`at` in seconds since 1970, `link` names the session, `frame` is empty for an event, `note` says why.

    The frame of a long PDU may be cut; its header still tells how long it was.
    """

    at: float
    way: int
    link: str
    frame: bytes
    note: str


def packed(entries: Iterable[Entry]) -> bytes:
    """The entries as one compressed value."""
    pieces = [_VERSION]
    for at, way, link, frame, note in entries:
        name, reason = link.encode()[:_LONGEST_LINK], note[:LONGEST_NOTE].encode("utf-8", "replace")
        pieces += (_HEAD.pack(round(at * 1e6), way, len(name), len(reason), len(frame)), name, reason, frame)
    return zlib.compress(b"".join(pieces), _FAST)


def unpacked(value: bytes) -> Iterator[Entry]:
    """What `packed` was given; raises ValueError for another value."""
    try:
        data = zlib.decompress(value)
        if data[:1] != _VERSION:
            raise ValueError("a wire log of another version")
        yield from _entries(data)
    except (zlib.error, struct.error) as error:
        raise ValueError(f"not a wire log: {error}") from error


def _entries(data: bytes) -> Iterator[Entry]:
    at, end = 1, len(data)
    while at < end:
        micros, way, link, note, frame = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        ends = at + link, at + link + note, at + link + note + frame
        yield Entry(
            micros / 1e6, way, data[at : ends[0]].decode(), data[ends[1] : ends[2]], data[ends[0] : ends[1]].decode()
        )
        at = ends[2]
