"""How much the carriers themselves can take, and what a message costs them: `python -m bench.ceilings`.

One bind with prepared submit_sm and a full window, receipts answered; no gateway. A carrier must carry several times
what the gateway sends, or the figure of the gateway would be the carrier's. Prints JSON.
"""

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import time

import uvloop

from bench.ports import free_port
from bench.processes import ROOT, cpu_seconds, wait_listening
from smpp.codec import Framer, encode
from smpp.constants import CommandId
from smpp.pdu import BindTransceiver, SubmitSm

COMMANDS = {
    "carrier": [sys.executable, "-m", "bench.carrier", "--receipt-ms", "50", "--port"],
    "simulator": [sys.executable, "manage.py", "simulate_smsc", "--delay-ms", "50", "--port"],
}
_HEADER = struct.Struct(">LLLL")


class Customer(asyncio.Protocol):
    """Sends `count` submit_sm with `window` outstanding; `done` when each is answered and reported."""

    def __init__(self, count: int, window: int) -> None:
        frame = encode(
            SubmitSm(
                source_addr="BENCH", destination_addr="971500000001", registered_delivery=1, short_message=b"hello"
            )
        )
        self._frames = [frame[:12] + number.to_bytes(4, "big") + frame[16:] for number in range(2, count + 2)]
        self._window, self._framer = window, Framer()
        self.sent = self.answered = self.reported = 0
        self.answered_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(encode(BindTransceiver(system_id="bench", password="", sequence=1)))

    def data_received(self, data: bytes) -> None:
        output = []
        for frame in self._framer.feed(data):
            _, command, status, sequence = _HEADER.unpack_from(frame)
            assert not status, f"status {status} for {command:x}"
            if command == CommandId.DELIVER_SM:
                output.append(_HEADER.pack(17, CommandId.DELIVER_SM_RESP, 0, sequence) + b"\0")
                self.reported += 1
            elif command == CommandId.SUBMIT_SM_RESP:
                self.answered += 1
                self.answered_at = time.perf_counter()
        room = self._window - (self.sent - self.answered)
        output += self._frames[self.sent : self.sent + room]
        self.sent = min(len(self._frames), self.sent + room)
        if output:
            self._transport.write(b"".join(output))
        if self.reported == len(self._frames) and not self.done.done():
            self.done.set_result(None)


def ceiling(name: str, count: int, window: int) -> dict[str, float]:
    """submit_sm a second, messages with receipt a second, CPU of the carrier for each message in µs."""
    port = free_port()
    # Neither asks a store; production's settings would ask for secrets where the stores are named.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway_project.settings.embedded"}
    process = subprocess.Popen([*COMMANDS[name], str(port)], cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
    try:
        wait_listening(port, 30)
        before = cpu_seconds(process.pid)
        answered, reported = uvloop.run(_drive(port, count, window))
        used = cpu_seconds(process.pid) - before
    finally:
        process.terminate()
        process.wait(10)
    return {
        "submit_sm_per_second": round(count / answered),
        "with_receipt_per_second": round(count / reported),
        "cpu_us_per_message": round(used / count * 1e6, 1),
    }


async def _drive(port: int, count: int, window: int) -> tuple[float, float]:
    """Seconds until the last answer, and until the last receipt."""
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    _, customer = await loop.create_connection(lambda: Customer(count, window), "127.0.0.1", port)
    await asyncio.wait_for(customer.done, 120)
    return customer.answered_at - started, time.perf_counter() - started


def main() -> None:
    """Measure both."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--window", type=int, default=200)
    given = options.parse_args()
    print(json.dumps({name: ceiling(name, given.count, given.window) for name in COMMANDS}, indent=2))


if __name__ == "__main__":
    main()
