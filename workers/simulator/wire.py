"""A connection that may also misbehave: write raw bytes, reset, fall silent, overlook enquire_link."""

import asyncio
import socket
from struct import pack
from typing import Any, cast

from smpp.codec import Framer
from smpp.constants import CommandId
from smpp.errors import FramingError
from smpp.stream import Connection


class Wire(asyncio.Transport):
    """The real transport, with a switch: while `silent` nothing is written any more."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self.silent = False

    def write(self, data: Any) -> None:
        """Write unless silent."""
        if not self.silent:
            self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport says."""
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As the transport does."""
        self._transport.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_size(self) -> int:
        """Octets not yet taken by the socket."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether the end has begun."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End with FIN."""
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def reset(self) -> None:
        """End with RST: what is not written is lost, and the peer's read fails."""
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self._transport.abort()


class CarrierConnection(Connection):
    """A server connection whose wire is in our hands."""

    wire: Wire
    ignore_enquire_link = False
    _sieve: Framer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the wire between the session and the socket."""
        self.wire = Wire(cast(asyncio.Transport, transport))
        super().connection_made(self.wire)

    def data_received(self, data: bytes) -> None:
        """Hear nothing while silent, and no enquire_link while told so."""
        if self.wire.silent:
            return
        if self.ignore_enquire_link or self._sieve is not None:
            data = self._sift(data)
        super().data_received(data)

    def write_raw(self, data: bytes) -> None:
        """Write these octets, whatever they are, after everything that was sent in this turn."""
        asyncio.get_running_loop().call_soon(self._write_raw, data)

    def _write_raw(self, data: bytes) -> None:
        if not self.wire.is_closing():
            self.wire.write(data)

    def _sift(self, data: bytes) -> bytes:
        if self._sieve is None:
            self._sieve = Framer()
        try:
            frames = self._sieve.feed(data)
        except FramingError:
            # Let the session see and answer the broken length itself.
            return data
        return b"".join(frame for frame in frames if not self._overlooked(frame))

    def _overlooked(self, frame: bytes) -> bool:
        return self.ignore_enquire_link and frame[4:8] == pack(">L", CommandId.ENQUIRE_LINK)
