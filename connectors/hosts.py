"""Hosts of a carrier as people write them: `host`, `host:port`, `[::1]:port`."""

from collections.abc import Iterable

Place = tuple[str, int]
LONGEST = 255  # characters of a host, as DNS has it


def split(text: str, port: int) -> Place:
    """Host and port of one entry; `port` is that of entries without one."""
    if not isinstance(text, str) or not text.strip() or any(letter.isspace() for letter in text.strip()):
        raise ValueError(f"{text!r} is no host")
    text = text.strip()
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host.strip("[]") and not host.endswith("]")):
        host, number = text, str(port)  # without a port; a bare IPv6 address has colons of its own
    host = host.removeprefix("[").removesuffix("]")
    if not host or len(host) > LONGEST or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65_536:
        raise ValueError(f"{text!r} is no host:port")
    return host, int(number)


def places(host: str, port: int, more: Iterable[str]) -> tuple[Place, ...]:
    """All of them, the first one first."""
    return ((host, port), *(split(text, port) for text in more))
