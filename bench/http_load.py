"""A neutral HTTP/1.1 load generator: keep-alive connections that send prepared requests and time the answers.

It shares the machine with what it measures, so it is cheap: octets are prepared before the clock starts, and an
answer is one look for its end. Each connection has one request outstanding.
"""

import asyncio
import re
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

PATIENCE = 60.0  # seconds without any answer after which the load gives up
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass(slots=True)
class LoadResult:
    """What the load saw; `began` (perf_counter) and `latencies` in seconds, both by the number of the request."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    began: array = field(default_factory=lambda: array("d"))
    latencies: array = field(default_factory=lambda: array("d"))
    bodies: list[bytes] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Latency in milliseconds below which `share` of the answers came."""
        return percentile(self.latencies, share)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value of `seconds` in milliseconds that `share` of them do not pass; 0 without any."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2) if ordered else 0.0


def distribution(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 90th, 99th percentile and longest, in milliseconds."""
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: percentile(seconds, share) for name, share in shares.items()}


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as octets."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def send(
    port: int, requests: Sequence[bytes], *, connections: int, keep_bodies: bool = False, rest: float = 0.0
) -> LoadResult:
    """Send all requests over so many connections to 127.0.0.1, each waiting for its answer, and `rest` seconds
    after it. Raises ConnectionError when a connection ends early, TimeoutError after PATIENCE without an answer."""
    load = _Load(requests, keep_bodies, rest)
    loop = asyncio.get_running_loop()
    for _ in range(min(connections, len(requests))):
        await loop.create_connection(lambda: _Client(load), "127.0.0.1", port)
    return await load.run()


class _Load:
    """The requests, whose turn it is, and the answers so far."""

    def __init__(self, requests: Sequence[bytes], keep_bodies: bool, rest: float) -> None:
        self.requests, self.keep_bodies, self.rest = requests, keep_bodies, rest
        self.result = LoadResult()
        self.result.began = array("d", bytes(8 * len(requests)))
        self.result.latencies = array("d", bytes(8 * len(requests)))
        self.clients: list[_Client] = []
        self.next, self.left = 0, len(requests)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> LoadResult:
        started, left = time.perf_counter(), self.left
        if not self.left:
            return self.result
        for client in self.clients:
            client.send_next()
        try:
            while not (await asyncio.wait([self.done], timeout=PATIENCE))[0]:
                if left == self.left:
                    raise TimeoutError(f"{left} answers did not come")
                left = self.left
            self.done.result()
            self.result.seconds = time.perf_counter() - started
        finally:
            for client in self.clients:
                client.transport.close()
        return self.result

    def failed(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Client(asyncio.Protocol):
    """One connection with one request outstanding."""

    def __init__(self, load: _Load) -> None:
        self.load, self.number, self.buffer = load, -1, b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.load.clients.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.load.left:
            self.load.failed(exc or ConnectionResetError("the server closed a connection"))

    def send_next(self) -> None:
        load = self.load
        number = self.number = load.next
        if number >= len(load.requests):
            return
        load.next += 1
        load.result.began[number] = time.perf_counter()
        self.transport.write(load.requests[number])

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            self.buffer = data
            return
        length = _LENGTH.search(data, 0, head)
        if length is None:
            self.load.failed(ValueError(f"an answer without content-length: {data[:head]!r}"))
            return
        if len(data) < head + 4 + int(length[1]):
            self.buffer = data
            return
        self.buffer = b""
        self._answered(int(data[9:12]), data[head + 4 :])

    def _answered(self, status: int, body: bytes) -> None:
        load, result = self.load, self.load.result
        result.latencies[self.number] = time.perf_counter() - result.began[self.number]
        result.statuses[status] = result.statuses.get(status, 0) + 1
        if load.keep_bodies:
            result.bodies.append(body)
        load.left -= 1
        if not load.left:
            load.done.set_result(None)
        elif load.rest:
            asyncio.get_running_loop().call_later(load.rest, self.send_next)
        else:
            self.send_next()
