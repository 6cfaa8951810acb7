"""A TCP proxy before PostgreSQL that cuts a connection around its COMMIT (reliability F22).

It knows just enough of the protocol to see one: the start of a session, and the length of every message of the client
(PostgreSQL documentation, "Frontend/Backend Protocol", 55.7). TLS is answered with "no".
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_TLS: Final = 80877103
_GSS: Final = 80877104
_NO: Final = b"N"
_QUERIES: Final = (b"Q", b"P")  # simple query; Parse of the extended protocol


class Where(StrEnum):
    """When the client loses its connection."""

    BEFORE = "before"  # COMMIT never reaches the server: nothing is committed
    AFTER = "after"  # the server has committed and said so; the answer is thrown away
    RACING = "racing"  # COMMIT was forwarded, nobody waited for what became of it


@dataclass(slots=True)
class Plan:
    """The next `left` transactions that said `touching` are cut `where`."""

    where: Where = Where.AFTER
    left: int = 0
    touching: bytes = b""


@dataclass(slots=True)
class CommitProxy:
    """Listens on `port` as long as it is in a `with`; methods may be called from any thread."""

    upstream: int  # the server's port on 127.0.0.1
    commits: int = 0  # seen
    cuts: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _plan: Plan = field(default_factory=Plan)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def cut(self, where: Where, times: int = 1, *, touching: bytes = b"") -> None:
        """Cut the next `times` commits, of transactions in which the client said `touching`."""
        with self._lock:
            self._plan = Plan(where, times, touching)

    @property
    def left(self) -> int:
        """Cuts that have not found their COMMIT yet."""
        return self._plan.left

    def cut_all(self) -> None:
        """Reset every connection now."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def decide(self, said: bytearray) -> Where | None:
        """What happens to the COMMIT of a transaction in which `said` was said."""
        with self._lock:
            self.commits += 1
            if not self._plan.left or self._plan.touching not in said:
                return None
            self._plan.left -= 1
            self.cuts[self._plan.where] += 1
            return self._plan.where

    def _reset_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            with contextlib.suppress(asyncio.CancelledError):
                await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:  # the server is down: so are we, for this client
            _reset(writer)
            return
        session = _Session(self, reader, writer, server_reader, server_writer)
        self._open |= {writer, server_writer}
        try:
            await session.run()
        finally:
            self._open -= {writer, server_writer}


@dataclass(slots=True)
class _Session:
    """One client and its connection to the server."""

    proxy: CommitProxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter
    said: bytearray = field(default_factory=bytearray)  # by the client since its last commit
    mute: bool = False  # what the server says is thrown away
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        down = asyncio.create_task(self._down())
        up = asyncio.create_task(self._up())
        done, pending = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*done, *pending, return_exceptions=True)
        for writer in (self.writer, self.server_writer):
            writer.close()

    async def _up(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._greet()
            while await self._forward_one():
                pass

    async def _down(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self.server_reader.read(65536):
                self.spoke.set()
                if not self.mute:
                    self.writer.write(data)
                    await self.writer.drain()

    async def _greet(self) -> None:
        while True:
            head = await self.reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            rest = await self.reader.readexactly(length - 8)
            if code not in (_TLS, _GSS):
                self.server_writer.write(head + rest)
                return
            self.writer.write(_NO)

    async def _forward_one(self) -> bool:
        head = await self.reader.readexactly(5)
        body = await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
        kind = head[:1]
        if kind in _QUERIES and _is_commit(kind, body):
            where = self.proxy.decide(self.said)
            self.said.clear()
            if where is not None:
                await self._cut(where, head + body, extended=kind == b"P")
                return False
        elif kind in _QUERIES:
            self.said += body[:400]
            del self.said[:-4000]
        self.server_writer.write(head + body)
        await self.server_writer.drain()
        return True

    async def _cut(self, where: Where, commit: bytes, *, extended: bool) -> None:
        if where is Where.BEFORE:
            _reset(self.writer)
            return
        self.mute = where is Where.AFTER
        self.spoke.clear()
        self.server_writer.write(commit)
        while extended:  # Bind, Execute and so on up to Sync belong to it
            head = await self.reader.readexactly(5)
            self.server_writer.write(head + await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4))
            extended = head[:1] != b"S"
        await self.server_writer.drain()
        if where is Where.AFTER:
            await self.spoke.wait()
        _reset(self.writer)


def _is_commit(kind: bytes, body: bytes) -> bool:
    text = body if kind == b"Q" else body[body.index(b"\0") + 1 :]
    return text.split(b"\0", 1)[0].strip(b" ;\n").upper() == b"COMMIT"


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST: a cut, not a goodbye."""
    sock = writer.get_extra_info("socket")
    if sock is not None and not writer.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def commit_proxy(upstream: int) -> Iterator[CommitProxy]:
    """A proxy before the server on 127.0.0.1:`upstream`, in a thread of its own."""
    proxy, ready = CommitProxy(upstream), threading.Event()
    serving: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(proxy._loop)
        serving.append(proxy._loop.create_task(proxy._serve(ready)))
        proxy._loop.run_until_complete(serving[0])
        for task in asyncio.all_tasks(proxy._loop):
            task.cancel()
        proxy._loop.run_until_complete(asyncio.sleep(0.05))
        proxy._loop.close()

    thread = threading.Thread(target=run, name="commit-proxy", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the proxy does not listen")
    try:
        yield proxy
    finally:
        proxy.cut_all()
        proxy._loop.call_soon_threadsafe(serving[0].cancel)
        thread.join(10)
