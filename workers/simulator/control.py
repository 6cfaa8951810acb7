"""A small HTTP/JSON door on 127.0.0.1 for tests in other processes and for people with curl.

GET /counters · GET /messages?limit=100&after=<message_id> · GET /config · POST /behaviour {setting: value} ·
POST /mo {from, to, text, system_id, encoding, mode, order} · POST /receipt {from, to, text, system_id} ·
POST /raw {hex, system_id} · POST /disconnect {kind, system_id}
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from workers.simulator.config import SimulatorConfig
from workers.simulator.inbound import InboundText, read_inbound
from workers.simulator.messages import Message
from workers.simulator.receipts import free_receipt

_MAX_BODY = 1024 * 1024
_READ_SECONDS = 10.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found"}
Fields = dict[str, Any]


class Controlled(Protocol):
    """What the door opens to (server.Simulator)."""

    @property
    def config(self) -> SimulatorConfig: ...

    @property
    def messages(self) -> list[Message]: ...

    def snapshot(self) -> dict[str, Any]: ...

    def configure(self, **changes: Any) -> None: ...

    def send_inbound(self, inbound: InboundText, *, system_id: str = "") -> int: ...

    def send_receipt(self, pdu: Any, *, system_id: str = "") -> None: ...

    def send_raw(self, data: bytes, *, system_id: str = "") -> int: ...

    def disconnect(self, kind: str = "rst", *, system_id: str = "") -> int: ...


class ControlServer:
    """Answers one request per connection; whoever reaches the port may do everything, so it is loopback only."""

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator
        self._routes: dict[tuple[str, str], Callable[[Fields], Any]] = {
            ("GET", "/counters"): lambda fields: simulator.snapshot(),
            ("GET", "/messages"): self._messages,
            ("GET", "/config"): lambda fields: _plain(simulator.config),
            ("POST", "/behaviour"): self._behaviour,
            ("POST", "/mo"): self._mo,
            ("POST", "/receipt"): self._receipt,
            ("POST", "/raw"): self._raw,
            ("POST", "/disconnect"): self._disconnect,
        }

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def stop(self) -> None:
        """Stop listening."""
        self._server.close()

    @property
    def port(self) -> int:
        """The port we listen on."""
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that breaks off or dawdles only loses its own answer.
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_READ_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status, answer = await self._answer(head, reader)
            body = json.dumps(answer, default=str).encode()
            lines = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            writer.write(f"{lines}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader) -> tuple[int, Any]:
        try:
            method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
            length = _content_length(head)
            fields: Fields = dict(parse_qsl(urlsplit(target).query))
            if length:
                fields |= json.loads(await reader.readexactly(length))
            route = self._routes.get((method, urlsplit(target).path))
            if route is None:
                return 404, {"error": "unknown", "routes": [" ".join(key) for key in self._routes]}
            return 200, route(fields)
        except (ValueError, TypeError, KeyError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    def _messages(self, fields: Fields) -> Any:
        messages = self._simulator.messages
        after, limit = fields.get("after", ""), int(fields.get("limit", 100))
        if after:
            places = [place for place, message in enumerate(messages) if message.message_id == after]
            chosen = messages[places[-1] + 1 :][:limit] if places else []
        else:
            chosen = messages[-limit:]
        return {"messages": [message.as_dict() for message in chosen]}

    def _behaviour(self, fields: Fields) -> Any:
        self._simulator.configure(**fields)
        return _plain(self._simulator.config)

    def _mo(self, fields: Fields) -> Any:
        system_id = fields.pop("system_id", "")
        return {"pdus": self._simulator.send_inbound(read_inbound(fields), system_id=system_id)}

    def _receipt(self, fields: Fields) -> Any:
        pdu = free_receipt(source=fields["from"], destination=fields["to"], text=fields["text"])
        self._simulator.send_receipt(pdu, system_id=fields.get("system_id", ""))
        return {"queued": 1}

    def _raw(self, fields: Fields) -> Any:
        data = bytes.fromhex(fields["hex"])
        return {"sessions": self._simulator.send_raw(data, system_id=fields.get("system_id", ""))}

    def _disconnect(self, fields: Fields) -> Any:
        kind = fields.get("kind", "rst")
        return {"sessions": self._simulator.disconnect(kind, system_id=fields.get("system_id", ""))}


def _content_length(head: str) -> int:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            if not 0 <= int(value) <= _MAX_BODY:
                raise ValueError(f"a body has at most {_MAX_BODY} octets")
            return int(value)
    return 0


def _plain(config: Any) -> Fields:
    """The settings as JSON values, without passwords."""
    fields = {name: getattr(config, name) for name in config.__dataclass_fields__}
    fields["credentials"] = sorted(fields["credentials"])
    fields["ssl_context"] = fields["ssl_context"] is not None
    return {name: asdict(value) if is_dataclass(value) else value for name, value in fields.items()}  # type: ignore[arg-type]
