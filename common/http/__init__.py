"""Outbound HTTP to addresses that others give us: bounded, never redirected, never into a private network."""

from common.http.async_client import GuardedSession
from common.http.guard import Network, ParsedTarget, check_address, check_url, parse_networks
from common.http.outcome import BODY_CAP, ErrorKind, OutboundError, Response
from common.http.sync_client import GuardedRequests

__all__ = [
    "BODY_CAP",
    "ErrorKind",
    "GuardedRequests",
    "GuardedSession",
    "Network",
    "OutboundError",
    "ParsedTarget",
    "Response",
    "check_address",
    "check_url",
    "parse_networks",
]
