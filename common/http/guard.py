"""Where outbound requests may go: the public internet on web ports, and networks that the operator allows.

Every check works on the address that is connected to. Names are judged by all their addresses (see resolver).
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import idna

from common.http.outcome import OutboundError, blocked

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL: Final = 2048
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_LOWEST_FREE_PORT = 1024

_DENIED_PORTS_BY_OWNER: Final = {
    "proxies": (1080, 3128),
    "SMPP and SMS gateways, ours and others": (1401, 2775, 2776, 3550, 8988, 8990),
    "SQL": (1433, 1434, 1521, 3050, 3306, 5432, 5433, 6432, 33060, 50000),
    "other stores": (5984, 6379, 6380, 7000, 7001, 8086, 9042, 9200, 9300, 11211, 16379, 26379, 27017, 27018, 27019),
    "brokers": (1883, 4369, 5671, 5672, 8883, 9092, 15671, 15672, 25672, 61613, 61614, 61616),
    "mail": (1025, 2525),
    "infrastructure": (2049, 2181, 2375, 2376, 2379, 2380, 3389, 5900, 6000, 6443, 8500, 10250, 10255),
    "local language model": (11434,),
}
DENIED_PORTS: Final = frozenset(port for ports in _DENIED_PORTS_BY_OWNER.values() for port in ports)

# What the standard library of 3.11 calls global although nobody's webhook lives there.
_REFUSED_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598), Alibaba metadata
        "168.63.129.16/32",  # Azure wire server: metadata on a public address
        "192.0.0.0/24",  # IETF protocol assignments, Oracle metadata
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo, ORCHID and other assignments
        "2002::/16",  # 6to4 wraps an IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_GLOBAL_UNICAST_6: Final = ipaddress.IPv6Network("2000::/3")  # leaves out NAT64, ::/8, ULA, link-local, multicast

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class ParsedTarget:
    """A checked URL in its one spelling (`url`, ASCII, without fragment); `address` when the host is a literal."""

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None


def parse_networks(values: Iterable[str]) -> tuple[Network, ...]:
    """Networks of the setting OUTBOUND_HTTP_ALLOW, a list of CIDR; raises ValueError for a bad entry."""
    return tuple(ipaddress.ip_network(value.strip()) for value in values)


def check_url(url: str, allow_networks: Sequence[Network] = ()) -> ParsedTarget:
    """The target if it may be called; raises OutboundError(blocked).

    A name is not resolved here. Its port is judged here unless there are allowed networks, whose members skip the
    port check: then `check_address` does it, once the address is known.
    """
    parts = _split(url)
    host, address = _host(parts)
    port = _port(parts)
    if address is not None:
        check_address(address, port, allow_networks)
    elif not allow_networks:
        _check_port(port)
    if _is_local_name(host) and not any(network.is_loopback for network in allow_networks):
        raise blocked("the host is this machine")
    return ParsedTarget(_spell(parts, host, port, address), parts.scheme, host, port, address)


def check_address(ip: str | Address, port: int, allow_networks: Sequence[Network] = ()) -> None:
    """Passes for global unicast addresses on web ports and for allowed networks; raises OutboundError(blocked)."""
    address = _unmapped(_to_address(ip))
    if any(address in network for network in allow_networks):
        return
    if not _is_public(address):
        raise blocked(f"{address} is not a public address")
    _check_port(port)


def check_addresses(ips: Iterable[str], port: int, allow_networks: Sequence[Network] = ()) -> list[str]:
    """The addresses of one name if all may be called; one refused address refuses the name."""
    addresses = list(dict.fromkeys(ips))
    for ip in addresses:
        check_address(ip, port, allow_networks)
    return addresses


def _to_address(ip: str | Address) -> Address:
    try:
        return ipaddress.ip_address(ip)
    except ValueError:
        raise blocked("not an IP address") from None


def _unmapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST_6:
        return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _REFUSED_NETWORKS)


def _check_port(port: int) -> None:
    web = port in _DEFAULT_PORT.values()
    if not web and (port < _LOWEST_FREE_PORT or port in DENIED_PORTS):
        raise blocked(f"port {port} is not for outbound HTTP")


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST_URL:
        raise blocked("the URL is too long")
    # Parsers disagree about these characters, and disagreement is how guards are passed.
    if "\\" in url or any(character.isspace() or not character.isprintable() for character in url):
        raise blocked("the URL holds a space, control character or backslash")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise blocked("not a URL") from None
    if parts.scheme not in _DEFAULT_PORT:
        raise blocked("only http and https are allowed")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise blocked("user names and escapes are not allowed in the host")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise blocked("not a port") from None
    return _DEFAULT_PORT[parts.scheme] if port is None else port


def _host(parts: SplitResult) -> tuple[str, Address | None]:
    raw = parts.hostname
    if not raw:
        raise blocked("the URL has no host")
    if "[" in parts.netloc:
        literal = _to_address(raw)
        return str(literal), literal
    host = _ascii(raw).removesuffix(".")
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        address = _numeric_address(host)
        return str(address), address
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise blocked("not a host name")
    return host, None


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except UnicodeError:
        return _compatible(host)


def _compatible(host: str) -> str:
    """Digits in disguise (full width, circled) are no IDNA label but a browser reads them; fold and look again."""
    try:
        folded = idna.uts46_remap(host)
    except UnicodeError:
        raise blocked("not a host name") from None
    if not folded.isascii():
        raise blocked("not a host name")
    return folded.lower()


def _numeric_address(host: str) -> ipaddress.IPv4Address:
    """Any spelling the C library takes for an IPv4 address: decimal, hex, octal, fewer than four numbers."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        raise blocked("not an IP address") from None


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith((".localhost", ".localdomain"))


def _spell(parts: SplitResult, host: str, port: int, address: Address | None) -> str:
    name = f"[{host}]" if isinstance(address, ipaddress.IPv6Address) else host
    authority = name if port == _DEFAULT_PORT[parts.scheme] else f"{name}:{port}"
    query = f"?{quote(parts.query, safe=_PRINTABLE)}" if parts.query else ""
    return f"{parts.scheme}://{authority}{quote(parts.path, safe=_PRINTABLE) or '/'}{query}"


__all__ = [
    "DENIED_PORTS",
    "Address",
    "Network",
    "OutboundError",
    "ParsedTarget",
    "check_address",
    "check_addresses",
    "check_url",
    "parse_networks",
]
