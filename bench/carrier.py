"""A neutral carrier, as cheap as our codec allows: `python -m bench.carrier --port 2776 --delay-ms 50`.

It takes any bind, answers submit_sm after `--delay-ms`, sends a receipt `--receipt-ms` after the answer to a session
of the same system_id that may receive (at most `--window` unanswered on each), and answers enquire_link and unbind.
What a session left unanswered goes to the next one. `--journal` gets 16 octets for each submit_sm: the destination
as a number and its arrival (perf_counter, which all processes of a Linux machine share). For everything that a
carrier can do wrong there is the simulator.
"""

import argparse
import asyncio
import itertools
import json
import resource
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import uvloop

from smpp.codec import Framer, decode, encode
from smpp.constants import CommandId, EsmClass, MessageState
from smpp.errors import PduError
from smpp.pdu import BIND_COMMANDS, DeliverSm, EnquireLinkResp, GenericNack, Pdu, SubmitSm, SubmitSmResp, UnbindResp
from smpp.receipts import receipt_text, receipt_tlvs

ENTRY = struct.Struct("<Qd")  # of the journal
GRAIN = 0.001  # seconds that a timer may be early or late, so that many leave together


class Due:
    """Things that leave a fixed time after they came: one deque and one timer."""

    def __init__(self, seconds: float, leave: Callable[[list[Any]], None]) -> None:
        self._seconds, self._leave = seconds, leave
        self._waiting: deque[tuple[float, Any]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, things: list[Any]) -> None:
        """These came now."""
        if not self._seconds:
            self._leave(things)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        self._waiting += [(due, thing) for thing in things]
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._ring)

    def _ring(self) -> None:
        loop, leaving = asyncio.get_running_loop(), []
        until = loop.time() + GRAIN
        while self._waiting and self._waiting[0][0] <= until:
            leaving.append(self._waiting.popleft()[1])
        self._timer = None
        if self._waiting:
            self._timer = loop.call_later(max(GRAIN, self._waiting[0][0] - loop.time()), self._ring)
        self._leave(leaving)


class Carrier:
    """All sessions, what waits for them, and what was counted."""

    def __init__(self, *, delay: float, receipt_delay: float, window: int, journal: BinaryIO | None) -> None:
        self.window, self.journal = window, journal
        self.sessions: list[Session] = []
        self.waiting: dict[str, deque[DeliverSm]] = {}
        self.submits = self.receipts = self.receipts_acked = self.faults = 0
        self.answers = Due(delay, self._answer)
        self._promised = Due(receipt_delay, self._report)
        self._ids = itertools.count(time.time_ns() >> 10)  # a restart does not repeat them

    def take(self, session: "Session", submits: list[SubmitSm]) -> None:
        """submit_sm came in one read."""
        now = time.perf_counter()
        if self.journal is not None:
            self.journal.write(b"".join(ENTRY.pack(_number(pdu.destination_addr), now) for pdu in submits))
        self.submits += len(submits)
        self.answers.add([(session, pdu, f"{next(self._ids):x}") for pdu in submits])

    def _answer(self, things: list[tuple["Session", SubmitSm, str]]) -> None:
        octets: dict[Session, list[bytes]] = {}
        for session, pdu, message_id in things:
            octets.setdefault(session, []).append(encode(SubmitSmResp(sequence=pdu.sequence, message_id=message_id)))
        for session, frames in octets.items():
            session.write(frames)
        self._promised.add([(session.system_id, pdu, id_) for session, pdu, id_ in things if pdu.registered_delivery])

    def _report(self, things: list[tuple[str, SubmitSm, str]]) -> None:
        now = datetime.now(UTC)
        for system_id, pdu, message_id in things:
            self.waiting.setdefault(system_id, deque()).append(_receipt(pdu, message_id, now))
        for system_id in {system_id for system_id, _, _ in things}:
            self.pump(system_id)

    def pump(self, system_id: str) -> None:
        """Send what waits while windows have room."""
        waiting = self.waiting.get(system_id)
        for session in self.sessions:
            if waiting and session.system_id == system_id and session.receives:
                session.deliver(waiting)

    def left(self, session: "Session") -> None:
        """A session ended."""
        self.sessions.remove(session)
        self.waiting.setdefault(session.system_id, deque()).extendleft(session.unanswered.values())
        self.pump(session.system_id)

    def counts(self) -> dict[str, Any]:
        """Totals and CPU seconds."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        totals = {name: getattr(self, name) for name in ("submits", "receipts", "receipts_acked", "faults")}
        return {**totals, "cpu_seconds": round(used.ru_utime + used.ru_stime, 3)}


class Session(asyncio.Protocol):
    """One connection of a customer."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier, self._framer = carrier, Framer()
        self._sequence = 0
        self.system_id, self.receives = "", False
        self.unanswered: dict[int, DeliverSm] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A customer connected."""
        self._transport = transport
        self._carrier.sessions.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._carrier.left(self)

    def data_received(self, data: bytes) -> None:
        """Octets came: requests are taken together, as they came together."""
        try:
            frames = self._framer.feed(data)
        except PduError:
            self._carrier.faults += 1
            self._transport.abort()
            return
        submits: list[SubmitSm] = []
        answers: list[bytes] = []
        acked = 0
        for frame in frames:
            try:
                pdu = decode(frame)
            except PduError as error:
                self._carrier.faults += 1
                answers.append(encode(GenericNack(status=error.command_status, sequence=error.sequence)))
                continue
            if type(pdu) is SubmitSm:
                submits.append(pdu)
            elif pdu.command_id == CommandId.DELIVER_SM_RESP:
                acked += self.unanswered.pop(pdu.sequence, None) is not None
            else:
                self._other(pdu, answers)
        self._after(submits, answers, acked)

    def _after(self, submits: list[SubmitSm], answers: list[bytes], acked: int) -> None:
        self.write(answers)
        if submits:
            self._carrier.take(self, submits)
        if acked:
            self._carrier.receipts_acked += acked
            self._carrier.pump(self.system_id)

    def _other(self, pdu: Pdu, answers: list[bytes]) -> None:
        if pdu.command_id in BIND_COMMANDS:
            self.system_id = pdu.system_id  # type: ignore[attr-defined]
            self.receives = pdu.command_id != CommandId.BIND_TRANSMITTER
            answers.append(encode(pdu.reply(system_id="BENCH")))
            asyncio.get_running_loop().call_soon(self._carrier.pump, self.system_id)
        elif pdu.command_id == CommandId.ENQUIRE_LINK:
            answers.append(encode(EnquireLinkResp(sequence=pdu.sequence)))
        elif pdu.command_id == CommandId.UNBIND:
            self.receives = False
            answers.append(encode(UnbindResp(sequence=pdu.sequence)))
            asyncio.get_running_loop().call_soon(self._transport.close)
        elif not pdu.is_response:
            self._carrier.faults += 1
            answers.append(encode(GenericNack(status=3, sequence=pdu.sequence)))  # ESME_RINVCMDID

    def write(self, frames: list[bytes]) -> None:
        """Write these together; nothing after the end."""
        if frames and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def deliver(self, waiting: deque[DeliverSm]) -> None:
        """Send from the front of `waiting` while the window has room."""
        frames = []
        while waiting and len(self.unanswered) < self._carrier.window:
            pdu = waiting.popleft()
            self._sequence = pdu.sequence = self._sequence % 0x7FFFFFFF + 1
            self.unanswered[pdu.sequence] = pdu
            frames.append(encode(pdu))
        self._carrier.receipts += len(frames)
        self.write(frames)


def _number(address: str) -> int:
    return int(address) if address.isdecimal() else 0


def _receipt(pdu: SubmitSm, message_id: str, now: datetime) -> DeliverSm:
    state = MessageState.DELIVERED
    text = receipt_text(message_id=message_id, state=state, submitted=now, done=now, text="")
    return DeliverSm(
        source_addr_ton=pdu.dest_addr_ton,
        source_addr_npi=pdu.dest_addr_npi,
        source_addr=pdu.destination_addr,
        destination_addr=pdu.source_addr,
        esm_class=EsmClass.SMSC_RECEIPT,
        short_message=text,
        tlvs=receipt_tlvs(message_id=message_id, state=state),
    )


async def serve(carrier: Carrier, port: int) -> None:
    """Listen on 127.0.0.1 until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Session(carrier), "127.0.0.1", port)
    while not ended.is_set():
        if carrier.journal is not None:
            carrier.journal.flush()
        try:
            await asyncio.wait_for(ended.wait(), 0.1)
        except TimeoutError:
            continue
    server.close()


def read_journal(path: Path) -> dict[int, float]:
    """First arrival (perf_counter) of each destination."""
    data = path.read_bytes()
    found: dict[int, float] = {}
    for number, at in ENTRY.iter_unpack(data[: len(data) // ENTRY.size * ENTRY.size]):
        found.setdefault(number, at)
    return found


def main() -> None:
    """Serve, then print what was counted as JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--delay-ms", type=float, default=0.0, help="of submit_sm_resp")
    options.add_argument("--receipt-ms", type=float, default=50.0, help="of the receipt, after submit_sm_resp")
    options.add_argument("--window", type=int, default=100, help="unanswered receipts on a session")
    options.add_argument("--journal", type=Path, help="file for the arrivals")
    given = options.parse_args()
    journal = given.journal.open("wb") if given.journal else None
    delays = {"delay": given.delay_ms / 1000, "receipt_delay": given.receipt_ms / 1000}
    carrier = Carrier(**delays, window=given.window, journal=journal)
    uvloop.run(serve(carrier, given.port))
    if journal is not None:
        journal.close()
    json.dump(carrier.counts(), sys.stdout)


if __name__ == "__main__":
    main()
