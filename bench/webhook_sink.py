"""A webhook receiver that answers 200 at once; what came is read after the clock has stopped."""

import asyncio
import json
import re
import time
from array import array
from collections import Counter
from typing import Any

_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"status":"received"}'
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class WebhookSink:
    """`bodies` and `times` (perf_counter) of the posts in the order in which they came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.times = array("d")
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self._receipts: list[dict[str, Any]] = []

    async def __aenter__(self) -> "WebhookSink":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        for transport in list(self.open):
            transport.close()
        await asyncio.sleep(0)  # so that connections see the end before the loop ends

    @property
    def last(self) -> float:
        """When the newest post came; 0 before the first."""
        return self.times[-1] if self.times else 0.0

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """The posts read, in the order in which they came."""
        self._receipts += map(json.loads, self.bodies[len(self._receipts) :])
        return self._receipts

    @property
    def seen(self) -> Counter[str]:
        """How often each message id came."""
        return Counter(receipt["message_id"] for receipt in self.receipts)

    @property
    def statuses(self) -> Counter[str]:
        """How often each status came."""
        return Counter(receipt["status"] for receipt in self.receipts)

    async def wait_for_posts(self, count: int, quiet: float) -> None:
        """Until so many posts came, whatever they say; gives up when none came for `quiet` seconds."""
        mark, since = -1, time.perf_counter()
        while len(self.times) < count and time.perf_counter() - since <= quiet:
            if len(self.times) != mark:
                mark, since = len(self.times), time.perf_counter()
            await asyncio.sleep(0.02)

    async def wait_for(self, count: int, quiet: float) -> None:
        """Until `count` different messages came; gives up when none came for `quiet` seconds."""
        wanted, mark, since = count, -1, time.perf_counter()
        while True:
            if len(self.bodies) >= wanted:
                missing = count - len(self.seen)
                if missing <= 0:
                    return
                wanted = len(self.bodies) + missing
            if len(self.bodies) != mark:
                mark, since = len(self.bodies), time.perf_counter()
            if time.perf_counter() - since > quiet:
                return
            await asyncio.sleep(0.02)


class _Connection(asyncio.Protocol):
    """One connection of the gateway."""

    def __init__(self, sink: WebhookSink) -> None:
        self.sink, self.buffer = sink, b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.sink.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        while (head := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(data) < end:
                break
            self.sink.bodies.append(data[head + 4 : end])
            self.sink.times.append(time.perf_counter())
            self.transport.write(_OK)
            data = data[end:]
        self.buffer = data
