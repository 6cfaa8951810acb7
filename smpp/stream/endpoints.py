"""Opening links: as a client, or as a server that accepts them."""

import asyncio
import ssl as ssl_module
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from smpp.session import Role, SessionConfig
from smpp.stream.connection import Connection, OnEvents, StreamLimits, ignore


async def connect(
    host: str,
    port: int,
    *,
    config: SessionConfig | None = None,
    on_events: OnEvents | None = None,
    ssl: ssl_module.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout: float = 10.0,  # noqa: ASYNC109 - covers TCP and TLS together
    limits: StreamLimits | None = None,
) -> Connection:
    """Return an open, unbound ESME connection; raises OSError or TimeoutError after `timeout` seconds."""

    def build() -> Connection:
        connection = Connection(Role.ESME, config or SessionConfig(), limits or StreamLimits())
        connection.on_events = on_events or ignore
        return connection

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        _, connection = await loop.create_connection(
            build, host, port, ssl=ssl, server_hostname=server_hostname if ssl else None
        )
    return connection


class Listener(Protocol):
    """What accepts connections: asyncio's server, or one that looks at them before their handshake."""

    @property
    def sockets(self) -> Sequence[Any]: ...
    def close(self) -> None: ...


class SmppServer:
    """A listening socket and its connections."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self._server: Listener | None = None

    @property
    def port(self) -> int:
        """The port that the first socket listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def attach(self, server: Listener) -> None:
        """Take the socket that `serve` opened, or one of the owner's."""
        self._server = server

    def stop_accepting(self) -> None:
        """Close the listening socket; connections live on."""
        if self._server is not None:
            self._server.close()

    async def close(self, grace: float = 5.0) -> None:
        """Stop accepting, unbind every session and wait `grace` seconds; then cut what is left."""
        self.stop_accepting()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*(connection.unbind() for connection in list(self.connections)))
        for connection in list(self.connections):
            connection.abort()


async def serve(
    on_connection: Callable[[Connection], None],
    host: str,
    port: int,
    *,
    config: SessionConfig | None = None,
    ssl: ssl_module.SSLContext | None = None,
    limits: StreamLimits | None = None,
    backlog: int = 128,
    role: Role = Role.SMSC,
    reuse_port: bool = False,
) -> SmppServer:
    """Listen and call `on_connection` for each accepted socket; it sets `on_events` there."""
    server = SmppServer()

    def accepted(connection: Connection) -> None:
        server.connections.add(connection)
        on_connection(connection)

    def build() -> Connection:
        return Connection(
            role,
            config or SessionConfig(),
            limits or StreamLimits(),
            on_connection=accepted,
            on_lost=server.connections.discard,
        )

    loop = asyncio.get_running_loop()
    server.attach(await loop.create_server(build, host, port, ssl=ssl, backlog=backlog, reuse_port=reuse_port or None))
    return server
