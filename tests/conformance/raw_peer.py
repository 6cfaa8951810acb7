"""A customer of plain sockets and `struct`: nothing of our codec, so that a fault of ours is not read away by ours."""

import socket
import struct
from dataclasses import dataclass, field

HEADER = struct.Struct(">LLLL")
PATIENCE = 10.0  # seconds
RESPONSE = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, QUERY_SM, SUBMIT_SM, DELIVER_SM = 0x01, 0x02, 0x03, 0x04, 0x05
UNBIND, REPLACE_SM, CANCEL_SM, BIND_TRANSCEIVER, OUTBIND = 0x06, 0x07, 0x08, 0x09, 0x0B
ENQUIRE_LINK, SUBMIT_MULTI, ALERT_NOTIFICATION, DATA_SM, NACK = 0x15, 0x21, 0x102, 0x103, 0x80000000


def cstring(text: str | bytes) -> bytes:
    """A C-octet string."""
    return (text if isinstance(text, bytes) else text.encode("latin-1")) + b"\0"


def tlv(tag: int, value: bytes) -> bytes:
    """One optional parameter."""
    return struct.pack(">HH", tag, len(value)) + value


@dataclass(frozen=True)
class Frame:
    """A PDU as it came."""

    command: int
    status: int
    sequence: int
    body: bytes

    @property
    def text(self) -> str:
        """The body's first C-octet string: message_id, system_id."""
        return self.body.partition(b"\0")[0].decode("latin-1")

    @property
    def after_text(self) -> bytes:
        """What stands behind it."""
        return self.body.partition(b"\0")[2]


def tlvs(octets: bytes) -> dict[int, bytes]:
    """Optional parameters by tag."""
    found = {}
    while octets:
        tag, length = struct.unpack(">HH", octets[:4])
        found[tag], octets = octets[4 : 4 + length], octets[4 + length :]
    return found


@dataclass(frozen=True)
class Delivered:
    """The fields of a deliver_sm."""

    source: tuple[int, int, str]
    destination: tuple[int, int, str]
    esm_class: int
    data_coding: int
    octets: bytes
    tlvs: dict[int, bytes]


def delivered(body: bytes) -> Delivered:
    """Read a deliver_sm."""
    at = body.index(b"\0") + 1  # service_type

    def address(at: int) -> tuple[tuple[int, int, str], int]:
        end = body.index(b"\0", at + 2)
        return (body[at], body[at + 1], body[at + 2 : end].decode("latin-1")), end + 1

    source, at = address(at)
    destination, at = address(at)
    esm_class, at = body[at], at + 3  # protocol_id, priority_flag
    for _ in range(2):  # times
        at = body.index(b"\0", at) + 1
    data_coding, length = body[at + 2], body[at + 4]
    end = at + 5 + length
    return Delivered(source, destination, esm_class, data_coding, body[at + 5 : end], tlvs(body[end:]))


def submit(
    to: str,
    octets: bytes = b"Hello",
    *,
    source: tuple[int, int, str] = (5, 0, "BANK"),
    to_kind: tuple[int, int] = (1, 1),
    service: str = "",
    esm: int = 0,
    pid: int = 0,
    priority: int = 0,
    schedule: str = "",
    validity: str = "",
    registered: int = 0,
    replace: int = 0,
    coding: int = 0,
    default: int = 0,
    more: bytes = b"",
) -> bytes:
    """The body of a submit_sm; `more` are its optional parameters."""
    return (
        cstring(service)
        + bytes(source[:2])
        + cstring(source[2])
        + bytes(to_kind)
        + cstring(to)
        + bytes((esm, pid, priority))
        + cstring(schedule)
        + cstring(validity)
        + bytes((registered, replace, coding, default, len(octets)))
        + octets
        + more
    )


@dataclass
class RawPeer:
    """One connection. `served` are the requests that the server made; enquire_link among them is answered."""

    port: int
    served: list[Frame] = field(default_factory=list)
    address: str = "127.0.0.1"  # its own; the whole of 127.0.0.0/8 is this machine
    _sequence: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=(self.address, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, octets: bytes) -> None:
        """These octets, whatever they are."""
        self._socket.sendall(octets)

    def send(self, command: int, body: bytes = b"", *, sequence: int | None = None, status: int = 0) -> int:
        """A PDU; returns its sequence."""
        if sequence is None:
            self._sequence += 1
            sequence = self._sequence
        self.write(HEADER.pack(16 + len(body), command, status, sequence) + body)
        return sequence

    def read(self) -> Frame:
        """The next PDU; raises ConnectionError at the end, TimeoutError when nothing comes."""
        head = self._exactly(16)
        length, command, status, sequence = HEADER.unpack(head)
        return Frame(command, status, sequence, self._exactly(length - 16))

    def ask(self, command: int, body: bytes = b"", *, sequence: int | None = None) -> Frame:
        """Send a request and return its answer."""
        sent = self.send(command, body, sequence=sequence)
        while True:
            frame = self.read()
            if frame.command & RESPONSE and frame.sequence == sent:
                return frame
            self._serve(frame)

    def next_request(self) -> Frame:
        """What the server asks, answered with success."""
        while not self.served:
            self._serve(self.read())
        return self.served.pop(0)

    def bind(self, command: int, system_id: str, password: str, *, version: int = 0x34) -> Frame:
        """Bind as this client."""
        return self.ask(command, cstring(system_id) + cstring(password) + b"\0" + bytes((version, 0, 0)) + b"\0")

    def closed(self) -> bool:
        """Whether the server ends the connection, after whatever it still says."""
        try:
            while True:
                self.read()
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _serve(self, frame: Frame) -> None:
        if frame.command & RESPONSE:
            return
        body = b"\0" if frame.command in (DELIVER_SM, DATA_SM) else b""
        self.send(frame.command | RESPONSE, body, sequence=frame.sequence)
        if frame.command != ENQUIRE_LINK:
            self.served.append(frame)

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            more = self._socket.recv(length - len(found))
            if not more:
                raise ConnectionResetError("closed")
            found += more
        return found
