"""Signs of life: who does its work says so, and whoever watches ends it when it has been silent for 90 s.

The fleet watches the file GATEWAY_ALIVE_FILE, systemd the socket NOTIFY_SOCKET (WatchdogSec). Without either, nothing.
"""

import contextlib
import os
import socket
from pathlib import Path

PERIOD = 10.0  # seconds between two signs: eight may be lost before anybody acts


def tell() -> None:
    """This process has just done a round of its work; never raises, a full disk is not its death."""
    if file := os.environ.get("GATEWAY_ALIVE_FILE"):
        with contextlib.suppress(OSError):
            Path(file).touch()
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as watchdog:
            watchdog.sendto(b"WATCHDOG=1", address.replace("@", "\0", 1) if address.startswith("@") else address)
