"""The TLS port: its certificate, read again when the file has changed, and a door before the handshake."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

HANDSHAKE: Final = 10.0  # seconds
PAUSE: Final = 0.1  # seconds before the next try when no connection can be accepted (no descriptors left)


@dataclass(slots=True)
class _Certificate:
    """A context and the files it was made of; new handshakes see what is loaded into it."""

    context: ssl.SSLContext
    cert: str
    key: str
    changed_at: float

    def refresh(self) -> None:
        """Load the files again when they have changed."""
        try:
            changed_at = os.stat(self.cert).st_mtime
            if changed_at != self.changed_at:
                self.context.load_cert_chain(self.cert, self.key or None)
                self.changed_at = changed_at
                log.info("smpp_certificate_loaded")
        except (OSError, ssl.SSLError) as error:  # half a renewal: the old one goes on
            log.warning("smpp_certificate_not_loaded", error=str(error))


class Certificate:
    """The TLS side of one server; without SMPP_TLS_CERT there is none."""

    def __init__(self) -> None:
        self._loaded: _Certificate | None = None
        cert, key = settings.SMPP_TLS_CERT, settings.SMPP_TLS_KEY
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(cert, key or None)
            self._loaded = _Certificate(context, cert, key, os.stat(cert).st_mtime)

    @property
    def context(self) -> ssl.SSLContext | None:
        """What the listener takes; None: no TLS."""
        return self._loaded.context if self._loaded else None

    def refresh(self) -> None:
        """Follow a renewed certificate."""
        if self._loaded:
            self._loaded.refresh()


class SecureListener:
    """A listening socket whose connections pass the door before their handshake, which costs memory and time.

    asyncio's own server tells of a connection only after it. `enter` says whether an address may come in, `leave`
    that it is gone before `build` made a connection of it.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        *,
        enter: Callable[[str], bool],
        leave: Callable[[str], None],
        build: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._context, self._build = listening, context, build
        self._enter, self._leave = enter, leave
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = self._loop.create_task(self._accept(), name="smpp tls")

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket."""
        return (self._listening,)

    def close(self) -> None:
        """Accept no more; handshakes that are under way come to nothing."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()
        self._listening.close()

    async def _accept(self) -> None:
        while True:
            try:
                accepted, peer = await self._loop.sock_accept(self._listening)
            except OSError as error:
                log.warning("smpp_not_accepted", error=str(error))
                await asyncio.sleep(PAUSE)
                continue
            if self._enter(peer[0]):
                task = self._loop.create_task(self._shake_hands(accepted, peer[0]), name="smpp handshake")
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
            else:
                accepted.close()

    async def _shake_hands(self, accepted: socket.socket, address: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._build, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
            )
        except BaseException as error:  # whatever it is, the address has one connection less
            accepted.close()
            self._leave(address)
            if not isinstance(error, OSError):  # ssl.SSLError and TimeoutError are OSErrors
                raise
            log.debug("smpp_no_handshake", address=address, error=str(error))
