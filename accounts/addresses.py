"""Which addresses a credential may be used from: whitelists of addresses and CIDR networks."""

import logging
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.core.exceptions import ValidationError

Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]

log = logging.getLogger(__name__)
# Stands for a stored list of which no entry can be read: empty would mean "all".
NOBODY: Networks = (ip_network("255.255.255.255/32"),)


def parse(entries: Any) -> Networks:
    """Networks of a whitelist; raises ValidationError that names every entry which is none.

    A network with host bits (10.0.0.5/24) is refused too: whether the host or the network is meant cannot be known.
    """
    if not isinstance(entries, list | tuple):
        raise ValidationError("A list of addresses or CIDR networks is expected.")
    bad = [str(entry) for entry in entries if _network(entry) is None]
    if bad:
        raise ValidationError(f"Not an address or CIDR network: {', '.join(bad)}")
    return _networks(entries)


def valid_networks(entries: Any) -> None:
    """Validator of whitelist fields."""
    parse(entries)


def stored(entries: Any, *, owner: str) -> Networks:
    """Networks of a whitelist that lies in the database; what cannot be read admits nobody and is logged."""
    listed = entries if isinstance(entries, list) else [entries]
    networks = _networks(listed)
    if len(networks) != len(listed):
        log.error("the IP whitelist of %s has entries that are no networks", owner)
    return networks or (NOBODY if listed else ())


def admits(networks: Networks, address: str) -> bool:
    """Whether the address is in the list; an empty list admits all, an unreadable address only such a list."""
    if not networks:
        return True
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)


def neighbourhood(address: str) -> str:
    """What counts as one guesser: an IPv4 address, or the /64 of an IPv6 address (one customer line)."""
    parsed = _address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed else address[:64]


def canonical(address: str | None) -> str | None:
    """The address in its usual form, None when it is none (a socket path, an empty header)."""
    parsed = _address(address or "")
    return str(parsed) if parsed else None


def _networks(entries: Iterable[Any]) -> Networks:
    return tuple(network for entry in entries if (network := _network(entry)) is not None)


def _network(entry: Any) -> Network | None:
    if not isinstance(entry, str):  # ip_network(1) is 0.0.0.1
        return None
    try:
        return ip_network(entry.strip())
    except ValueError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
