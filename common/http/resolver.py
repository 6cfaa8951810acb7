"""Names to checked addresses. What is checked is what is connected to, so a name cannot change in between."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from common.http.guard import Network, check_addresses
from common.http.outcome import ErrorKind, OutboundError

Lookup = Callable[[str, int], Sequence[str]]
"""(host, port) → addresses; raises OSError when there are none. Blocks."""
GOOD_FOR: Final = 10.0  # seconds: one look for the many connections that open to a name at once
_KEPT: Final = 1000


def system_lookup(host: str, port: int) -> list[str]:
    """Addresses of the name by the system's resolver, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve_checked(
    host: str, port: int, allow_networks: Sequence[Network], lookup: Lookup = system_lookup
) -> list[str]:
    """All addresses of the name, at least one; raises OutboundError(dns or blocked)."""
    try:
        addresses = check_addresses(lookup(host, port), port, allow_networks)
    except (OSError, UnicodeError) as error:
        raise OutboundError(ErrorKind.DNS, f"{host} cannot be resolved") from error
    if not addresses:
        raise OutboundError(ErrorKind.DNS, f"{host} has no address")
    return addresses


class GuardedResolver:
    """Resolver for an event loop that returns checked addresses only, and keeps them for `GOOD_FOR` seconds.

    Runs in threads of its own: a customer's slow name server must not take the event loop's common pool.
    """

    def __init__(
        self, allow_networks: Sequence[Network] = (), *, lookup: Lookup = system_lookup, threads: int = 16
    ) -> None:
        self._allow_networks = allow_networks
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="outbound-dns")
        self._known: dict[tuple[str, int], tuple[float, asyncio.Future[list[str]]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses, at least one; raises OutboundError(dns or blocked)."""
        until, found = self._known.get((host, port), (0.0, None))
        if found is None or (found.done() and (time.monotonic() > until or _failed(found))):
            found = self._look(host, port)
        return await asyncio.shield(found)  # others may wait for it when this one's time is over

    def _look(self, host: str, port: int) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        found = loop.run_in_executor(self._pool, resolve_checked, host, port, self._allow_networks, self._lookup)
        found.add_done_callback(_failed)
        self._known.pop((host, port), None)
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[host, port] = (time.monotonic() + GOOD_FOR, found)
        return found

    async def close(self) -> None:
        """Stops taking look-ups; one under way ends by the system's own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _failed(found: asyncio.Future[list[str]]) -> bool:
    """Whether there are no addresses; also says that the error was seen, when nobody waits any more."""
    return found.cancelled() or found.exception() is not None
