"""Outbound HTTP for event loops: many webhooks at once, each bounded, none to a private network."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from common.http.guard import Network, check_address, check_url
from common.http.headers import outgoing_headers
from common.http.outcome import BODY_CAP, ErrorKind, OutboundError, Response
from common.http.resolver import GuardedResolver, Lookup, system_lookup


class GuardedSession:
    """A pool of connections to public addresses; open it inside a running loop and close it there.

    `limit` connections in all and `limit_per_host` to one host and port, so that a slow customer cannot take them
    all; idle ones are kept `keepalive` seconds. `lookups` names are looked up at once.
    `lookup` and `ssl_context` are for other resolvers and trust stores.
    """

    def __init__(
        self,
        allow_networks: Sequence[Network] = (),
        *,
        limit: int = 200,
        limit_per_host: int = 20,
        keepalive: float = 15.0,
        timeout_connect: float = 5.0,
        lookup: Lookup = system_lookup,
        lookups: int = 16,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_networks = allow_networks
        # A name is judged again when it is looked up, an address when it is connected to.
        self._target = lru_cache(1024)(self._checked)
        self._timeout_connect = timeout_connect
        self._resolver = GuardedResolver(allow_networks, lookup=lookup, threads=lookups)
        connector = TCPConnector(
            resolver=self._resolver,
            socket_factory=self._open_socket,
            limit=limit,
            limit_per_host=limit_per_host,
            keepalive_timeout=keepalive,
            ssl=True if ssl_context is None else ssl_context,
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), trust_env=False, auto_decompress=False
        )

    def _checked(self, url: str) -> URL:
        return URL(check_url(url, self._allow_networks).url, encoded=True)

    def _open_socket(self, entry: Any) -> socket.socket:
        """The last door: aiohttp asks for a socket right before it connects, also for literal addresses."""
        family, kind, protocol, _, address = entry
        check_address(address[0], address[1], self._allow_networks)
        return socket.socket(family=family, type=kind, proto=protocol)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections; requests under way fail."""
        await self._session.close()
        await self._resolver.close()

    async def post_json(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, timeout_total: float = 10.0
    ) -> Response:
        """POSTs the encoded JSON as it is (signatures cover these octets); see `request`."""
        typed = {"Content-Type": "application/json", **(headers or {})}
        return await self.request("POST", url, body=body, headers=typed, timeout_total=timeout_total)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_total: float = 10.0,
    ) -> Response:
        """The answer of whatever status, redirects unfollowed; raises OutboundError.

        `timeout_total` seconds cover waiting for a connection, name look-up, connect, sending and reading up to
        BODY_CAP octets.
        """
        target = self._target(url)
        outgoing = outgoing_headers(headers or {})
        started = time.monotonic()
        timeout = ClientTimeout(
            total=timeout_total, sock_connect=min(self._timeout_connect, timeout_total), ceil_threshold=3600
        )
        try:
            async with self._session.request(
                method,
                target,
                data=body,
                headers=outgoing,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                return await _read(answer, started)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _named(error) from error


async def _read(answer: aiohttp.ClientResponse, started: float) -> Response:
    body = bytearray()
    while len(body) < BODY_CAP:
        chunk = await answer.content.read(BODY_CAP - len(body))
        if not chunk:
            break
        body += chunk
    if not answer.content.at_eof():
        answer.close()  # the connection still carries the rest of the body
    named = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status, bytes(body), time.monotonic() - started, named)


_KINDS: tuple[tuple[type[Exception], ErrorKind], ...] = (
    (asyncio.TimeoutError, ErrorKind.TIMEOUT),
    (aiohttp.ClientSSLError, ErrorKind.TLS),
    (ssl.SSLError, ErrorKind.TLS),
    (aiohttp.ClientConnectorDNSError, ErrorKind.DNS),
    (aiohttp.ClientConnectorError, ErrorKind.CONNECT),
)
"""First match decides; whatever happens after the connection stands is `protocol`: it may have been taken."""


def _named(error: Exception) -> OutboundError:
    kind = next((kind for cls, kind in _KINDS if isinstance(error, cls)), ErrorKind.PROTOCOL)
    return OutboundError(kind, type(error).__name__)
