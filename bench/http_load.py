"""A neutral HTTP/1.1 load generator: keep-alive connections that send prepared requests and time the answers."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class LoadResult:
    """What the load saw; times in seconds."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Latency in milliseconds below which `share` of the answers came."""
        ordered = sorted(self.latencies)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2) if ordered else 0.0


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as octets."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def send(port: int, requests: Iterator[bytes], *, connections: int, keep_bodies: bool = False) -> LoadResult:
    """Send all requests over so many connections to 127.0.0.1, each waiting for its answer."""
    result = LoadResult()
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, requests, result, keep_bodies) for _ in range(connections)))
    result.seconds = time.perf_counter() - started
    return result


async def _connection(port: int, requests: Iterator[bytes], result: LoadResult, keep_bodies: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for octets in requests:
        began = time.perf_counter()
        writer.write(octets)
        status, body = await asyncio.wait_for(_answer(reader), 60)
        result.latencies.append(time.perf_counter() - began)
        result.statuses[status] = result.statuses.get(status, 0) + 1
        if keep_bodies:
            result.bodies.append(body)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length) if length else b""
