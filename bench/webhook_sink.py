"""A webhook receiver that answers 200 at once and counts each message id."""

import asyncio
import json
import time
from typing import Any

_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"status":"received"}'


class WebhookSink:
    """`seen` maps message id to how often it came, `last` is the time of the newest (perf_counter)."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.last = 0.0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "WebhookSink":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.sleep(0)  # so that readers see the end before the loop ends

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                self._count(json.loads(await reader.readexactly(length)))
                writer.write(_OK)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()
        finally:
            self._open.discard(writer)

    def _count(self, receipt: dict[str, Any]) -> None:
        message_id = receipt["message_id"]
        self.seen[message_id] = self.seen.get(message_id, 0) + 1
        self.statuses[receipt["status"]] = self.statuses.get(receipt["status"], 0) + 1
        self.last = time.perf_counter()

    async def wait_for(self, count: int, quiet: float) -> None:
        """Until `count` different messages came; gives up when none came for `quiet` seconds."""
        mark, since = -1, time.perf_counter()
        while len(self.seen) < count:
            if len(self.seen) != mark:
                mark, since = len(self.seen), time.perf_counter()
            if time.perf_counter() - since > quiet:
                return
            await asyncio.sleep(0.02)
