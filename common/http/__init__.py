"""Outbound HTTP to addresses that others give us: bounded, never redirected, never into a private network.

The clients are `async_client.GuardedSession` and `sync_client.GuardedRequests`; they are not named here because most
processes only check URLs, and `requests` alone takes 3 MiB of each.
"""

from common.http.guard import Network, ParsedTarget, check_address, check_url, parse_networks
from common.http.outcome import BODY_CAP, ErrorKind, OutboundError, Response

__all__ = [
    "BODY_CAP",
    "ErrorKind",
    "Network",
    "OutboundError",
    "ParsedTarget",
    "Response",
    "check_address",
    "check_url",
    "parse_networks",
]
