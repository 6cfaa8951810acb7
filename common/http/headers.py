"""Request headers that a customer may not set: they decide where a request goes or where it ends."""

from collections.abc import Mapping
from typing import Final

from common.http.outcome import ErrorKind, OutboundError

_OURS: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "accept-encoding",
    }
)


def outgoing_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers without those of the connection; no compressed answers, so that the cap is honest.

    Raises OutboundError(protocol) for a line break or null in a name or value.
    """
    for name, value in headers.items():
        if any(mark in name + value for mark in "\r\n\x00"):
            raise OutboundError(ErrorKind.PROTOCOL, "a header holds a line break")
    kept = {name: value for name, value in headers.items() if name.lower() not in _OURS}
    return {**kept, "Accept-Encoding": "identity"}
