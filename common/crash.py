"""Points at which a test lets the process die, to prove that nothing is lost there (reliability F1)."""

import os
import threading
from collections.abc import Callable
from pathlib import Path


def _armed(order: str) -> Callable[[str], None]:
    """`order` is `<point>:<n>`: the process ends with status 137 when it passes the point for the n-th time."""
    name, _, count = order.partition(":")
    left, lock = [int(count or 1)], threading.Lock()

    def point(passed: str) -> None:
        if passed != name:
            return
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os._exit(137)

    return point


def _by_file(orders: Path) -> Callable[[str], None]:
    """The process that removes the file named like the point ends: an order given while all run kills exactly one."""

    def point(passed: str) -> None:
        try:
            (orders / passed).unlink()
        except FileNotFoundError:
            return
        os._exit(137)

    return point


def _unarmed(passed: str) -> None:
    """Nothing: no crash was ordered."""


def _chosen() -> Callable[[str], None]:
    if os.environ.get("CRASH_AT"):
        return _armed(os.environ["CRASH_AT"])
    if os.environ.get("CRASH_ORDERS"):
        return _by_file(Path(os.environ["CRASH_ORDERS"]))
    return _unarmed


point: Callable[[str], None] = _chosen()
armed = point is not _unarmed
