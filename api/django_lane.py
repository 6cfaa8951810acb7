"""Everything but sending: Django's WSGI handler in a bounded pool of threads (architecture section 3).

A body is read before a thread is taken, so that slow senders hold connections, not threads; only long uploads
are streamed into the thread, with a limit to every wait.
"""

import asyncio
from typing import Any, Final

from a2wsgi import WSGIMiddleware

from api.gate import VISIT, Event, Receive, Scope, Send, respond
from api.problems import shape
from common.errors import Code

WORKERS: Final = 8
WAITING: Final = 64  # beyond them an honest 503 is kinder than a line
BUFFERED: Final = 1024 * 1024  # octets of a body that are read ahead
BODY_SECONDS: Final = 30.0  # for that; afterwards for each further piece


class DjangoLane:
    """An ASGI application around a WSGI one."""

    def __init__(self, wsgi: Any, *, workers: int = WORKERS, waiting: int = WAITING) -> None:
        self._wsgi: Any = WSGIMiddleware(wsgi, workers=workers)
        self._places = workers + waiting
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 503 when the line is full."""
        upload = _Upload(receive)
        if not await upload.read_ahead():
            return None
        if upload.complete:  # WSGI knows no chunked bodies
            scope["headers"] = _with_length(scope["headers"], upload.size)
        if self._taken >= self._places:
            body = shape(Code.UNAVAILABLE, "Too many requests are waiting", request_id=scope[VISIT].request_id)
            return await respond(send, 503, body, [("Retry-After", "1")])
        self._taken += 1
        try:
            await self._wsgi(scope, upload, send)
        finally:
            self._taken -= 1
        return None

    def close(self) -> None:
        """Let the threads end."""
        self._wsgi.executor.shutdown(wait=False, cancel_futures=True)


class _Upload:
    """`receive` of a request whose beginning was read ahead."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ahead = bytearray()
        self._handed = False
        self.complete = False

    @property
    def size(self) -> int:
        """Octets read ahead."""
        return len(self._ahead)

    async def read_ahead(self) -> bool:
        """Read the body, or its first mebibyte; False when the caller went away or fell silent."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while not self.complete and len(self._ahead) < BUFFERED:
                    event = await self._receive()
                    if event["type"] == "http.disconnect":
                        return False
                    self._ahead += event.get("body", b"")
                    self.complete = not event.get("more_body", False)
        except TimeoutError:
            return False
        return True

    async def __call__(self) -> Event:
        """The next piece; an end of silence is told as the end of the connection."""
        if not self._handed:
            self._handed = True
            return {"type": "http.request", "body": bytes(self._ahead), "more_body": not self.complete}
        if self.complete:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}


def _with_length(headers: list[tuple[bytes, bytes]], size: int) -> list[tuple[bytes, bytes]]:
    kept = [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(size).encode())]
