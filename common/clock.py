"""Time that can be passed in, so that tests decide what it is."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Monotonic = Callable[[], float]
monotonic: Monotonic = time.monotonic


def utc_now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)
