"""Database work of an event loop: in threads of its own, with connections that are renewed after a fault."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")


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
        for _ in range(self._pool._max_workers):
            self._pool.submit(connections.close_all)
        self._pool.shutdown(wait=True)


def _call(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    close_old_connections()  # drops one that a fault made unusable, or that is past CONN_MAX_AGE
    try:
        return function(*args, **kwargs)
    except Exception:
        connections["default"].close_if_unusable_or_obsolete()
        raise
