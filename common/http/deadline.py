"""A time limit for the whole head of an answer.

`requests` limits each single read; a server that drips one octet at a time could hold a worker for hours.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


@contextmanager
def _cut_after(seconds: Any, sock: socket.socket | None) -> Iterator[None]:
    """Shuts the socket down when the block lasts longer, which ends a blocked read at once; raises TimeoutError.

    Without the error a head that was cut short would pass for a whole one.
    """
    if sock is None or not isinstance(seconds, int | float):
        yield
        return
    cut = threading.Event()
    timer = threading.Timer(seconds, _shut, [sock, cut])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if cut.is_set():
        raise TimeoutError("the head of the answer did not end in time")


def _shut(sock: socket.socket, cut: threading.Event) -> None:
    cut.set()
    with suppress(OSError):  # already closed: nothing left to end
        sock.shutdown(socket.SHUT_RDWR)


class _LimitedConnection(HTTPConnection):
    def getresponse(self) -> Any:
        with _cut_after(self.timeout, self.sock):
            return super().getresponse()


class _LimitedTlsConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        with _cut_after(self.timeout, self.sock):
            return super().getresponse()


class _LimitedPool(HTTPConnectionPool):
    ConnectionCls = _LimitedConnection


class _LimitedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedTlsConnection


def limit_answers(manager: PoolManager) -> None:
    """Makes the manager's connections give up on an answer whose head takes longer than the read timeout."""
    manager.pool_classes_by_scheme = {"http": _LimitedPool, "https": _LimitedTlsPool}
