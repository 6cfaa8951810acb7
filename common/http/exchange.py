"""One connection to a server of somebody else's: a request, its answer, the next request. HTTP/1.1 as llhttp reads it.

The server is not trusted: what it sends has a limit, and after anything unusual the connection is not used again.
Time limits are the caller's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from common.http.outcome import BODY_CAP, ErrorKind, OutboundError

HEAD_CAP: Final = 64 * 1024
"""Octets before the body of an answer, those of 100 Continue and its like included."""
_SWITCHING = 101


@dataclass(slots=True)
class Answer:
    """What came back; `headers` with lower-case names, the last of equal names wins."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Exchange(asyncio.Protocol):
    """A connection with at most one request under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[["Exchange"], None]) -> None:
        self._loop, self._ended = loop, ended
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._headed = False
        self._head_octets = 0
        self._clean = False  # the last answer ended as it should, and nothing came since

    @property
    def reusable(self) -> bool:
        """Whether another request may follow the last one."""
        return self._clean and self._transport is not None and not self._transport.is_closing()

    def post(self, octets: bytes) -> asyncio.Future[Answer]:
        """Write a whole request; the future gets its answer, or OutboundError(protocol).

        Written whatever the socket takes: requests are short, and one is under way.
        """
        self._answer, self._headed, self._head_octets, self._clean = Answer(), False, 0, False
        self._waiter = waiter = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._fail("the connection has ended")
        else:
            self._transport.write(octets)
        return waiter

    def close(self) -> None:
        """End the connection now, without a farewell: a server that is slow to answer one would hold our socket."""
        self._clean = False
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # nobody asked: it would be taken for the next answer
            return self.close()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return self._fail(type(error).__name__)
        if not self._headed:
            self._head_octets += len(data)
            if self._head_octets > HEAD_CAP:
                self._fail("the head of the answer does not end")
        return None

    def eof_received(self) -> None:
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clean = False
        self._lost(exc)
        self._ended(self)

    def _lost(self, error: Exception | None = None) -> None:
        """The end of the connection is the end of an answer that names no length (RFC 9112 section 6.3)."""
        named = self._answer.headers
        if error is None and self._headed and "content-length" not in named and "transfer-encoding" not in named:
            self._end(clean=False)
        elif self._waiter is not None:
            self._fail(type(error).__name__ if error else "the server went away")

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self._clean = False  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # else it is a trailer
            self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._waiter is not None:
            self._answer.status = self._parser.get_status_code()
            self._headed = self._answer.status >= 200 or self._answer.status == _SWITCHING

    def on_body(self, data: bytes) -> None:
        body = self._answer.body
        if self._waiter is None:
            return
        body += data
        if len(body) >= BODY_CAP:
            del body[BODY_CAP:]
            self._end(clean=False)

    def on_message_complete(self) -> None:
        if self._headed:
            self._end(clean=self._parser.should_keep_alive())
        else:  # 100 Continue and its like: the answer is still to come
            self._answer.headers.clear()

    def _end(self, *, clean: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            self._clean = clean
            waiter.set_result(self._answer)

    def _fail(self, detail: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(OutboundError(ErrorKind.PROTOCOL, detail))
        self.close()
