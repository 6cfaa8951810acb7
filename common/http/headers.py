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


_WRITTEN: Final = _OURS | {"content-type"}


def header_lines(headers: Mapping[str, str]) -> bytes:
    """The caller's headers as octets, without those that the client writes itself.

    Raises OutboundError(protocol) for a line break or null in a name or value.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() not in _WRITTEN]
    text = "".join(lines)
    if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
        raise OutboundError(ErrorKind.PROTOCOL, "a header holds a line break")
    return text.encode()


def outgoing_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers without those of the connection; no compressed answers, so that the cap is honest.

    Raises OutboundError(protocol) for a line break or null in a name or value.
    """
    for name, value in headers.items():
        if any(mark in name + value for mark in "\r\n\x00"):
            raise OutboundError(ErrorKind.PROTOCOL, "a header holds a line break")
    kept = {name: value for name, value in headers.items() if name.lower() not in _OURS}
    return {**kept, "Accept-Encoding": "identity"}
