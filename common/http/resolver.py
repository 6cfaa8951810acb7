"""Names to checked addresses. What is checked is what is connected to, so a name cannot change in between."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from common.http.guard import Network, check_addresses
from common.http.outcome import ErrorKind, OutboundError

Lookup = Callable[[str, int], Sequence[str]]
"""(host, port) → addresses; raises OSError when there are none. Blocks."""


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


class GuardedResolver(AbstractResolver):
    """Resolver for aiohttp that returns checked addresses only.

    Runs in threads of its own: a customer's slow name server must not take the event loop's common pool.
    """

    def __init__(
        self, allow_networks: Sequence[Network] = (), *, lookup: Lookup = system_lookup, threads: int = 16
    ) -> None:
        self._allow_networks = allow_networks
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="outbound-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Entries whose `host` is an address that passed; raises OutboundError(dns or blocked)."""
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(
            self._pool, resolve_checked, host, port, self._allow_networks, self._lookup
        )
        return [_entry(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Stops taking look-ups; one under way ends by the system's own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _entry(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
