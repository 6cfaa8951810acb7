"""The send endpoints as plain ASGI: drives the contract and awaits the batcher (architecture section 3)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, Protocol

from django.db import close_old_connections

from api import credentials
from api.gate import VISIT, Receive, Scope, Send, Visit, respond
from api.send_contract import SINGLE_LIMIT, ReadBody, Request, Response, Step, Submit, Verify, answer, refuse
from common.errors import Code, Rejected, Unavailable
from messaging.commands import Answer, SubmitRequest

BODY_SECONDS: Final = 30.0  # for a whole body; a slow sender costs a connection, never a thread
LARGE_BODIES: Final = 4  # that are held at once, 16 MiB each
INLINE: Final = 64 * 1024  # octets; longer bodies are parsed in a thread, the loop goes on


Advance = Callable[[], Step]


class Batcher(Protocol):
    """The intake's line (messaging.batcher)."""

    async def submit(self, request: SubmitRequest, /) -> Answer: ...


class Disconnected(Exception):
    """The caller went away before the body was complete."""


class FastLane:
    """An ASGI application for the paths of the contract.

    `threads` run what may wait for the database; `ready`: whether accounts are known yet.
    """

    def __init__(self, batcher: Batcher, threads: Executor, *, ready: Callable[[], bool]) -> None:
        self._batcher, self._threads, self._ready = batcher, threads, ready
        self._large = asyncio.Semaphore(LARGE_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that came through the gate."""
        visit: Visit = scope[VISIT]
        body = _Body(receive, self._large)
        try:
            response = await self._converse(_request(scope, visit), body)
        except Disconnected:
            visit.status = 499  # nobody hears it; the log does
            return
        finally:
            body.release()
        visit.who = response.caller.client.username if response.caller else ""
        await respond(send, response.status, response.body, response.headers.items())

    async def _converse(self, request: Request, body: "_Body") -> Response:
        if not self._ready():
            return refuse(request, Unavailable())
        steps = answer(request)
        advance: Advance = partial(steps.send, None)
        while True:
            try:
                step = await self._in_thread(advance) if body.size > INLINE else advance()
            except StopIteration as ended:
                response: Response = ended.value
                return response
            except _Ended as ended:
                return ended.response
            try:
                advance = partial(steps.send, await self._do(step, body))
            except (Rejected, Unavailable) as problem:
                advance = partial(steps.throw, problem)

    async def _do(self, step: Step, body: "_Body") -> Any:
        if isinstance(step, Submit):
            return await self._batcher.submit(step.request)
        if isinstance(step, Verify):
            return await credentials.verify(step.credential, address=step.address)
        if isinstance(step, ReadBody):
            return await body.read(step.limit)
        return await self._in_thread(step.call)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_database, call)


class _Ended(Exception):
    """StopIteration cannot leave a future; this can."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _with_database(call: Callable[[], Any]) -> Any:
    close_old_connections()
    try:
        return call()
    except StopIteration as ended:
        raise _Ended(ended.value) from None
    finally:
        close_old_connections()


class _Body:
    """The body of one request, read when the contract asks for it."""

    def __init__(self, receive: Receive, large: asyncio.Semaphore) -> None:
        self._receive, self._large = receive, large
        self._is_large = False
        self.size = 0
        self.complete = False

    async def read(self, limit: int) -> bytes:
        """All of it; raises Rejected(TOO_LARGE), Unavailable when the sender is too slow, or Disconnected."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(limit)
        except TimeoutError:
            raise Unavailable("The body did not arrive in time") from None

    async def _read(self, limit: int) -> bytes:
        chunks = []
        while not self.complete:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise Disconnected
            chunk = event.get("body", b"")
            self.complete = not event.get("more_body", False)
            self.size += len(chunk)
            if self.size > limit:
                raise Rejected(Code.TOO_LARGE, f"At most {limit:,} octets")
            if self.size > SINGLE_LIMIT and not self._is_large:
                await self._large.acquire()
                self._is_large = True
            chunks.append(chunk)
        return b"".join(chunks)

    def release(self) -> None:
        """Let the next large body in."""
        if self._is_large:
            self._is_large = False
            self._large.release()


def _request(scope: Scope, visit: Visit) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(
        method=scope["method"],
        path=scope["path"],
        headers=headers,
        query=scope["query_string"].decode("latin-1"),
        address=visit.address,
        request_id=visit.request_id,
    )
