"""Outbound HTTP for event loops: many webhooks at once, each bounded, none to a private network.

A client of our own, because it does one thing: a POST over HTTP/1.1 whose answer is a status. aiohttp's, which can do
all the others, costs four times the CPU for it.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Final, Self

from common.http.exchange import Answer, Exchange
from common.http.guard import Network, check_address, check_url
from common.http.headers import header_lines
from common.http.outcome import ErrorKind, OutboundError, Response
from common.http.resolver import GuardedResolver, Lookup, system_lookup

_SWEEP: Final = 1.0  # seconds between looks for connections that idled too long


@dataclass(frozen=True, slots=True)
class _Target:
    """A checked URL; `head` are the octets that begin every request to it."""

    scheme: str
    host: str
    port: int
    literal: bool
    head: bytes

    @property
    def place(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)


@dataclass(slots=True, eq=False)
class _Host:
    """Connections to one place: those that idle (since when, the newest last), and how many requests use it."""

    places: asyncio.Semaphore | None
    idle: list[tuple[float, Exchange]] = field(default_factory=list)
    users: int = 0


class GuardedSession:
    """A pool of connections to public addresses; open it inside a running loop and close it there.

    `limit` connections in all and `limit_per_host` to one host and port (0: no limit of its own), so that a slow
    customer cannot take them all; idle ones are kept `keepalive` seconds. `lookups` names are looked up at once.
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
        self._keepalive, self._timeout_connect = keepalive, timeout_connect
        self._resolver = GuardedResolver(allow_networks, lookup=lookup, threads=lookups)
        self._ssl_context = ssl_context or ssl.create_default_context()
        self._places, self._per_host = asyncio.Semaphore(limit), limit_per_host
        self._hosts: dict[tuple[str, str, int], _Host] = {}
        self._open: set[Exchange] = set()
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    def _checked(self, url: str) -> _Target:
        parsed = check_url(url, self._allow_networks)
        authority, _, rest = parsed.url.partition("://")[2].partition("/")
        head = f"POST /{rest} HTTP/1.1\r\nHost: {authority}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        literal = parsed.address is not None
        return _Target(
            parsed.scheme, str(parsed.address) if literal else parsed.host, parsed.port, literal, head.encode()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections; requests under way fail."""
        self._sweeper.cancel()
        for exchange in list(self._open):
            exchange.close()
        self._hosts.clear()
        await asyncio.sleep(0)  # so that the sockets are closed when this returns
        await self._resolver.close()

    async def post_json(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, timeout_total: float = 10.0
    ) -> Response:
        """POSTs the encoded JSON as it is (signatures cover these octets), redirects unfollowed; raises OutboundError.

        `timeout_total` seconds cover waiting for a connection, name look-up, connect, sending and reading up to
        BODY_CAP octets. Names of headers are the caller's; those of the connection are ours.
        """
        target = self._target(url)
        typed = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        octets = b"".join((target.head, header_lines(headers or {}), typed.encode(), body))
        host = self._host(target.place)
        started = time.monotonic()
        host.users += 1
        try:
            async with asyncio.timeout(timeout_total):
                answer = await self._posted(host, target, octets)
        except TimeoutError:
            raise OutboundError(ErrorKind.TIMEOUT, f"no answer in {timeout_total:g} s") from None
        finally:
            host.users -= 1
        return Response(answer.status, bytes(answer.body), time.monotonic() - started, answer.headers)

    def _host(self, place: tuple[str, str, int]) -> _Host:
        host = self._hosts.get(place)
        if host is None:
            host = _Host(asyncio.Semaphore(self._per_host) if self._per_host else None)
            self._hosts[place] = host
        return host

    async def _posted(self, host: _Host, target: _Target, octets: bytes) -> Answer:
        if host.places is None:
            return await self._placed(host, target, octets)
        async with host.places:
            return await self._placed(host, target, octets)

    async def _placed(self, host: _Host, target: _Target, octets: bytes) -> Answer:
        async with self._places:
            exchange = self._idle(host) or await self._connect(target)
            try:
                return await exchange.post(octets)
            finally:  # also when the time is over: what is under way then is not reusable
                self._release(host, exchange)

    def _idle(self, host: _Host) -> Exchange | None:
        oldest = time.monotonic() - self._keepalive
        while host.idle:
            since, exchange = host.idle.pop()
            if since > oldest and exchange.reusable:
                return exchange
            exchange.close()
        return None

    def _release(self, host: _Host, exchange: Exchange) -> None:
        if exchange.reusable:
            host.idle.append((time.monotonic(), exchange))
        else:
            exchange.close()

    def _sweep(self) -> None:
        """Close what idled too long; forget hosts that nobody uses."""
        oldest = time.monotonic() - self._keepalive
        for place, host in list(self._hosts.items()):
            while host.idle and (host.idle[0][0] <= oldest or not host.idle[0][1].reusable):
                host.idle.pop(0)[1].close()
            if not host.idle and not host.users:
                del self._hosts[place]
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    async def _connect(self, target: _Target) -> Exchange:
        addresses = [target.host] if target.literal else await self._resolver.addresses(target.host, target.port)
        for address in addresses[:-1]:
            try:
                return await self._open_to(address, target, self._timeout_connect / 2)
            except OutboundError as error:
                if error.kind not in (ErrorKind.CONNECT, ErrorKind.TIMEOUT):
                    raise
        return await self._open_to(addresses[-1], target, self._timeout_connect)

    async def _open_to(self, address: str, target: _Target, seconds: float) -> Exchange:
        check_address(address, target.port, self._allow_networks)  # the last door, also for literal addresses
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        link = socket.socket(family, socket.SOCK_STREAM)
        try:
            link.setblocking(False)
            async with asyncio.timeout(seconds):
                await self._loop.sock_connect(link, (address, target.port))
            return await self._begun(link, target)
        except BaseException as error:
            link.close()
            if isinstance(error, ssl.SSLError | OSError):
                raise OutboundError(_kind(error), type(error).__name__) from error
            raise

    async def _begun(self, link: socket.socket, target: _Target) -> Exchange:
        secure = target.scheme == "https"
        _, exchange = await self._loop.create_connection(
            lambda: Exchange(self._loop, self._open.discard),
            sock=link,
            ssl=self._ssl_context if secure else None,
            server_hostname=target.host if secure else None,
        )
        self._open.add(exchange)
        return exchange


def _kind(error: Exception) -> ErrorKind:
    """Why there is no connection: nothing was sent."""
    if isinstance(error, ssl.SSLError):
        return ErrorKind.TLS
    return ErrorKind.TIMEOUT if isinstance(error, TimeoutError) else ErrorKind.CONNECT
