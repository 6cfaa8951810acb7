"""The customer's end of the webhooks: takes every event, writes it down, answers 200."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.crash.journal import Journal

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Sink:
    """Runs on the loop of the load; `on_event` gets the id of each message that was told."""

    def __init__(self, journal: Journal, on_event: Callable[[str], None]) -> None:
        self._journal, self._on_event = journal, on_event
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=256)

    async def stop(self) -> None:
        """Hang up."""
        self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                named = dict(_pair(line) for line in head.decode("latin-1").split("\r\n")[1:] if line)
                body = await reader.readexactly(int(named.get("content-length", 0)))
                self._take(named.get("webhook-id", ""), json.loads(body))
                writer.write(_OK)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()
        finally:
            self._open.discard(writer)

    def _take(self, event: str, said: dict[str, Any]) -> None:
        self._journal.write(event=event, id=said["message_id"], status=said["status"])
        self._on_event(said["message_id"])


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
