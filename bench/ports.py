"""Ports for servers of tests and measurements, on 127.0.0.1."""

import random
import socket
from pathlib import Path

_LOWEST = 10_240
_TRIES = 200
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")  # what the kernel gives to outgoing connections
_EPHEMERAL_FROM = 32_768  # Linux, where /proc does not say otherwise
_dice = random.SystemRandom()  # never the same sequence in two processes that were given one seed


def free_port() -> int:
    """A port where nobody listens, outside the range of outgoing connections.

    A port of that range is taken by anybody's next connect before its server has started, or while
    the server is down on purpose. Raises OSError when 200 ports were all in use.
    """
    highest = max(_LOWEST + 1, _ephemeral_from() - 1)
    for _ in range(_TRIES):
        port = _dice.randint(_LOWEST, highest)
        if _is_free(port):
            return port
    raise OSError(f"no free port found between {_LOWEST} and {highest}")


def _ephemeral_from() -> int:
    return int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _EPHEMERAL_FROM


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
