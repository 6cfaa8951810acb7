"""Database work of an event loop: in threads of its own, with connections that are renewed after a fault."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")
CLOSING = 2.0  # seconds
TRUSTED = 1.0  # seconds after its last use in which a connection is not asked whether it still works


class DatabaseThreads:
    """A few threads that run synchronous database calls for one event loop."""

    def __init__(self, workers: int = 4) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="db")

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `function` in a thread; its exceptions are raised here."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: _call(function, args, kwargs))

    def close(self) -> None:
        """Wait for what runs, then end the threads and their connections."""
        threads = len(self._pool._threads)
        together = threading.Barrier(max(threads, 1))
        for _ in range(threads):
            self._pool.submit(_close, together)
        self._pool.shutdown(wait=True)


def _close(together: threading.Barrier) -> None:
    """Each thread closes its own connections: none may take the turn of another."""
    with contextlib.suppress(threading.BrokenBarrierError):  # one is stuck in a statement: the others go on
        together.wait(CLOSING)
    connections.close_all()


def _call(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    renew_connections()
    try:
        return function(*args, **kwargs)
    except Exception:
        connections["default"].close_if_unusable_or_obsolete()
        raise
    finally:
        connections_used()


_last_use = threading.local()


def renew_connections() -> None:
    """Drop a connection of this thread that a fault made unusable, or that is past CONN_MAX_AGE.

    The server is asked (CONN_HEALTH_CHECKS: a round trip) only after a rest: a busy thread would ask for every
    transaction, and whoever calls must live with one that breaks in the middle anyway.
    """
    close_old_connections()
    connection = connections["default"]
    recent = time.monotonic() - getattr(_last_use, "at", float("-inf")) < TRUSTED
    if recent and not getattr(connection.connection, "closed", False):
        connection.health_check_done = True  # type: ignore[attr-defined]  # unknown to django-stubs


def connections_used() -> None:
    """This thread has just used its connection."""
    _last_use.at = time.monotonic()
