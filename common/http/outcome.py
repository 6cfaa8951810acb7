"""What comes back from an outbound request: an answer, or one error with a kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

BODY_CAP: Final = 64 * 1024
"""Octets of an answer that are read; the rest is dropped together with its connection."""


class ErrorKind(StrEnum):
    """Why there is no answer. Only after `TIMEOUT` and `PROTOCOL` the other side may have taken the request."""

    BLOCKED = "blocked"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"


class OutboundError(Exception):
    """No usable answer. `detail` is for logs and attempt rows: one line, no secrets."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


def blocked(detail: str) -> OutboundError:
    """The error for a target that the guard refuses; a retry will not help."""
    return OutboundError(ErrorKind.BLOCKED, detail)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status (3xx too: redirects are never followed); `elapsed` in seconds.

    `headers` has lower-case names, the last of equal names wins.
    """

    status: int
    body_head: bytes
    elapsed: float
    headers: Mapping[str, str] = field(default_factory=dict)
