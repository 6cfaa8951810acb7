"""The one webhook loop of a process, in a thread of its own; the Celery task only hands it ids."""

import asyncio
import threading
from collections.abc import Sequence
from uuid import UUID

import uvloop

from workers.deliveries.loop import DeliveryLoop

_lock = threading.Lock()
_running: tuple[DeliveryLoop, threading.Thread] | None = None


def start() -> DeliveryLoop:
    """The loop of this process, started at first use."""
    global _running
    with _lock:
        if _running is None or not _running[1].is_alive():
            loop = DeliveryLoop()
            thread = threading.Thread(target=run, args=[loop], name="deliveries", daemon=True)
            thread.start()
            _running = (loop, thread)
        return _running[0]


def run(loop: DeliveryLoop) -> None:
    """Serve until the loop is stopped, on the event loop that the processes use."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(loop.run())


def hand_over(ids: Sequence[UUID], token: int | None = None) -> None:
    """These deliveries are due; with a token they were born claimed under it."""
    start().hint(ids, token)


def answers(timeout: float = 5.0) -> bool:
    """Whether the loop takes a turn within `timeout` seconds, or there is none."""
    with _lock:
        running = _running
    return running is None or running[0].answers(timeout)


def stop(timeout: float = 20.0) -> None:
    """Finish and end, at most `timeout` seconds."""
    global _running
    with _lock:
        if _running is not None:
            loop, thread = _running
            loop.stop()
            thread.join(timeout)
            _running = None
