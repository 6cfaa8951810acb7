"""Joins a Session to a socket: the only room of this package that knows asyncio."""

from smpp.stream.connection import Connection, StreamLimits
from smpp.stream.endpoints import SmppServer, connect, serve

__all__ = ["Connection", "SmppServer", "StreamLimits", "connect", "serve"]
