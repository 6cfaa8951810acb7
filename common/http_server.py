"""HTTP connections that cannot be held or swollen by whoever opens them: uvicorn's, with an end to every head.

uvicorn bounds neither the length of a head nor the time that it may take (its keep-alive clock starts only after
an answer), so that strangers could fill memory and descriptors before a credential is asked for (OWASP API4).
"""

import asyncio
import json
import sys
from typing import Any, Final

from httptools import HttpParserInvalidMethodError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn_worker import UvicornWorker

from common import alive
from common.errors import Code
from common.ids import new_id

HEAD_SECONDS: Final = 15.0  # from the first octet of a head to its end, and from the connection to the first head
# A server that ends keeps idle connections so long: a request may be on its way in them, and its client, unlike one
# that was told "close" with an answer, could not know whether it was done.
LINGER_SECONDS: Final = 1.0
LARGEST_HEAD: Final = 64 * 1024  # octets; so much of a head, or of trailers, is kept before the connection ends
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"  # those that some path here knows


class Connection(HttpToolsProtocol):
    """One client's connection; ends when a head is too long or too slow, or nobody listens any more."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        self._unread = 0
        self._clock: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._leaving = False
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The request that is being answered hears of it; those behind it are never begun."""
        self._stop_clock()
        if self._answering is not None:  # uvicorn tells only the request that came last
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Octets since the last end of a head, piece of a body or end of a message count as head."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread > LARGEST_HEAD:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:
            # uvicorn has just stopped its keep-alive clock, and starts it again only after the next answer.
            self._start_clock()

    def send_400_response(self, msg: str) -> None:
        """What cannot be read, or has a method that no parser knows, is refused in the shape of every other refusal."""
        if self.cycle is None or self.cycle.response_complete:
            unknown = isinstance(sys.exc_info()[1], HttpParserInvalidMethodError)
            self.transport.write(_method_refused() if unknown else _refusal("400 Bad Request", Code.INVALID_VALUE, msg))
        self.transport.close()  # where an earlier request is being answered, words of ours would end up in its answer

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop_clock()
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application limits."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next octet begins another head."""
        self._unread = 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends: the answer to the present request, or to the next one within a second, is the last."""
        self._leaving = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            super().shutdown()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        cycle.keep_alive = cycle.keep_alive and not self._leaving
        super()._start_asgi_task(cycle, app)

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _method_refused() -> bytes:
    return _refusal("405 Method Not Allowed", Code.METHOD_NOT_ALLOWED, "Method not allowed", f"allow: {METHODS}\r\n")


def _refusal(status: str, code: Code, text: str, more: str = "") -> bytes:
    """A whole answer; the application's own (api.problems) is not reached by what is no request."""
    request_id = str(new_id())
    body = {"ok": False, "error": text, "code": str(code), "request_id": request_id, "fields": {}}
    octets = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(octets)}\r\n"
        f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
        f"referrer-policy: no-referrer\r\n{more}connection: close\r\n\r\n"
    )
    return head.encode() + octets


class Worker(UvicornWorker):
    """gunicorn's worker with these connections: `gunicorn -k common.http_server.Worker`."""

    # Whom to believe is decided in one place: api.gate (TRUSTED_PROXIES); uvicorn would believe 127.0.0.1.
    CONFIG_KWARGS: dict[str, Any] = {"loop": "uvloop", "http": Connection, "ws": "none", "proxy_headers": False}

    async def callback_notify(self) -> None:
        """Called by the event loop between its rounds."""
        await super().callback_notify()
        alive.tell()
