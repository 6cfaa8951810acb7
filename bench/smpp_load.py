"""A neutral customer over SMPP: transceivers that keep their windows full (or a pace) and answer receipts at once.

It shares the machine with what it measures, so it is cheap: frames are made before the clock starts, answers are
three numbers of a header, receipts are kept as octets and read when the clock has stopped.
"""

import asyncio
import struct
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from smpp.codec import Framer, decode, encode
from smpp.constants import CommandId, RegisteredDelivery, Tag
from smpp.pdu import BindTransceiver, DeliverSm, Pdu, SubmitSm

_HEADER: Final = struct.Struct(">LLLL")
_EMPTY_ID: Final = b"\0"
_FIRST: Final = 2  # the sequence of the first submit_sm; 1 is the bind
PATIENCE: Final = 20.0  # seconds without an answer or a receipt after which the load gives up
PACE: Final = 0.005  # seconds between two looks at what is due, when a rate is given


@dataclass(frozen=True, slots=True)
class Login:
    """Where to bind, and as whom."""

    port: int
    system_id: str
    password: str


@dataclass(slots=True)
class Seen:
    """What the customer saw; moments are perf_counter, by the number of the message where there is one per message."""

    began: array = field(default_factory=lambda: array("d"))
    answered: array = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    message_ids: dict[int, str] = field(default_factory=dict)
    receipts: list[tuple[float, bytes]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def read_receipts(self) -> list[tuple[float, str, int]]:
        """When each receipt came, the id that it names, and the number of its destination."""
        return [(at, *_named(decode(frame))) for at, frame in self.receipts]


def frames(numbers: Sequence[int], texts: Sequence[str], sender: str = "") -> list[bytes]:
    """A submit_sm for each destination, which asks for a receipt; sequences count from 2."""
    return [
        encode(
            SubmitSm(
                sequence=_FIRST + n,
                source_addr=sender,
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=str(number),
                registered_delivery=RegisteredDelivery.ALWAYS,
                short_message=text.encode(),
            )
        )
        for n, (number, text) in enumerate(zip(numbers, texts, strict=True))
    ]


class Customer:
    """So many binds of one client. Use `async with`; then `send` once for each load."""

    def __init__(self, login: Login, *, binds: int, window: int, address: str = "127.0.0.1") -> None:
        self._login, self._count, self.window, self._address = login, binds, window, address
        self.binds: list[Bind] = []
        self.seen = Seen()
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.left = 0

    async def __aenter__(self) -> "Customer":
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, bind = await loop.create_connection(
                lambda: Bind(self), "127.0.0.1", self._login.port, local_addr=(self._address, 0)
            )
            self.binds.append(bind)
        request = BindTransceiver(system_id=self._login.system_id, password=self._login.password, sequence=1)
        await asyncio.gather(*(bind.bind(encode(request)) for bind in self.binds))
        return self

    async def __aexit__(self, *_: object) -> None:
        for bind in self.binds:
            bind.transport.close()
        await asyncio.sleep(0)

    async def send(self, prepared: Sequence[bytes], *, rate: float = 0.0) -> Seen:
        """Send all and wait until each is answered; `rate` a second, 0: as fast as the windows allow."""
        self.seen = Seen(array("d", bytes(8 * len(prepared))), array("d", bytes(8 * len(prepared))))
        self.left = len(prepared)
        if rate:
            await self._paced(prepared, rate)
        else:
            self.waiting.extend(enumerate(prepared))
            for bind in self.binds:
                bind.fill()
        await _moving(lambda: self.left, lambda: not self.left)
        return self.seen

    async def _paced(self, prepared: Sequence[bytes], rate: float) -> None:
        started, sent = time.perf_counter(), 0
        while sent < len(prepared):
            due = min(len(prepared), int((time.perf_counter() - started) * rate) + 1)
            for number in range(sent, due):
                self.binds[number % len(self.binds)].write([(number, prepared[number])])
            sent = due
            await asyncio.sleep(PACE)

    async def receipts(self, count: int) -> None:
        """Wait until so many receipts came; gives up when none came for PATIENCE seconds."""
        await _moving(lambda: len(self.seen.receipts), lambda: len(self.seen.receipts) >= count)


async def _moving(mark: Callable[[], int], done: Callable[[], bool]) -> None:
    last, since = -1, time.perf_counter()
    while not done():
        now = mark()
        if now != last:
            last, since = now, time.perf_counter()
        if time.perf_counter() - since > PATIENCE:
            return
        await asyncio.sleep(0.01)


class Bind(asyncio.Protocol):
    """One transceiver."""

    def __init__(self, customer: Customer) -> None:
        self._customer, self._framer, self._out = customer, Framer(), 0
        self.transport: asyncio.Transport
        self._bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connected."""
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Over: told in the result."""
        self._customer.seen.ended.append(str(exc or "closed"))
        if not self._bound.done():
            self._bound.set_exception(ConnectionError("closed before the bind was answered"))

    async def bind(self, frame: bytes) -> None:
        """Bind; raises PermissionError with the command_status of a refusal."""
        self.transport.write(frame)
        if status := await self._bound:
            raise PermissionError(f"bind refused: 0x{status:x}")

    def fill(self) -> None:
        """Keep the window full."""
        waiting = self._customer.waiting
        room = min(self._customer.window - self._out, len(waiting))
        if room > 0:
            self.write([waiting.popleft() for _ in range(room)])

    def write(self, numbered: list[tuple[int, bytes]]) -> None:
        """Send these messages now."""
        began, now = self._customer.seen.began, time.perf_counter()
        for number, _ in numbered:
            began[number] = now
        self._out += len(numbered)
        self.transport.write(b"".join([frame for _, frame in numbered]))

    def data_received(self, data: bytes) -> None:
        """Answers and receipts, as many as came together."""
        seen, now, answers = self._customer.seen, time.perf_counter(), []
        for frame in self._framer.feed(data):
            _, command, status, sequence = _HEADER.unpack_from(frame)
            if command == CommandId.SUBMIT_SM_RESP:
                self._answered(sequence - _FIRST, status, frame, now)
            elif command in (CommandId.DELIVER_SM, CommandId.DATA_SM):
                seen.receipts.append((now, frame))
                answers.append(_HEADER.pack(17, command | 0x80000000, 0, sequence) + _EMPTY_ID)
            elif command == CommandId.ENQUIRE_LINK:
                answers.append(_HEADER.pack(16, CommandId.ENQUIRE_LINK_RESP, 0, sequence))
            elif command == CommandId.BIND_TRANSCEIVER_RESP and not self._bound.done():
                self._bound.set_result(status)
        if answers:
            self.transport.write(b"".join(answers))
        self.fill()

    def _answered(self, number: int, status: int, frame: bytes, now: float) -> None:
        seen = self._customer.seen
        seen.statuses[status] += 1
        seen.answered[number] = now
        if not status:
            seen.message_ids[number] = frame[16:-1].decode()
        self._out -= 1
        self._customer.left -= 1


def _named(pdu: Pdu) -> tuple[str, int]:
    assert isinstance(pdu, DeliverSm)
    raw = pdu.tlvs.raw(Tag.RECEIPTED_MESSAGE_ID) or b""
    return raw.rstrip(b"\0").decode(), int(pdu.source_addr)
