"""What the front door needs while the process lives: the batcher, threads, accounts kept in memory, the probes."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from django.db import DatabaseError, close_old_connections, connection

from accounts.last_used import flush_last_used
from accounts.snapshot import keep_fresh
from api.fastlane import FastLane
from api.health import Health
from common import process_number
from common.pulse import Pulse
from messaging import outbox
from messaging.batcher import IntakeBatcher

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
THREADS: Final = 4  # long bodies, dry runs, probes
FLUSH_SECONDS: Final = 10.0
GARBAGE: Final = (50_000, 20, 50)  # gc.set_threshold; Python's 700 objects are a few messages of an array
AGAIN_SECONDS: Final = 1.0  # between tries to read the accounts from a database that is down


class Front:
    """Started and stopped by the dispatcher, in the loop that serves."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="front")
        self._pulse = Pulse()
        self._batcher = IntakeBatcher(silent=self._pulse.silent)
        self._stopping, self._known = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="front-keeper", daemon=True)
        self._snapshots: threading.Thread | None = None
        self.fast_lane = FastLane(self._batcher, self._threads, ready=self._known.is_set)
        self.health = Health(self._threads, intake_open=self._known.is_set)

    @property
    def can_answer(self) -> bool:
        """Whether whoever needs the database gets an answer at all."""
        return not self._pulse.silent()

    async def start(self) -> None:
        """Open the line. A database that is down delays nothing: until it answers, senders hear 503."""
        _spare_garbage_collection()
        self._batcher.start()
        process_number.start()
        self._pulse.start()
        self._keeper.start()
        await asyncio.to_thread(self._known.wait, AGAIN_SECONDS)

    async def stop(self) -> None:
        """Finish what was accepted into the line, tell the broker, let go."""
        await self._batcher.drain(DRAIN_SECONDS)
        self._stopping.set()
        await asyncio.to_thread(self._keeper.join, AGAIN_SECONDS * 2)
        if self._snapshots is not None:  # it may be in the middle of a look at the database
            await asyncio.to_thread(self._snapshots.join, AGAIN_SECONDS * 2)
        await asyncio.to_thread(process_number.stop)
        await asyncio.to_thread(self._pulse.stop)
        await asyncio.to_thread(outbox.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _keep(self) -> None:
        while not self._known.is_set() and not self._stopping.is_set():
            if not self._read_accounts():
                self._stopping.wait(AGAIN_SECONDS)
        while not self._stopping.wait(FLUSH_SECONDS):
            _flush()
        if self._known.is_set():
            _flush()
        connection.close()

    def _read_accounts(self) -> bool:
        try:
            self._snapshots = keep_fresh(self._stopping)
        except DatabaseError as error:
            log.warning("accounts_unread", error=str(error))
            connection.close()
            return False
        self._known.set()
        return True


def _spare_garbage_collection() -> None:
    """What is loaded now stays: to look through it again and again took a fifth of the CPU of large arrays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _flush() -> None:
    close_old_connections()
    try:
        flush_last_used()
    except DatabaseError as error:  # what was not written is written next time
        log.warning("last_used_unwritten", error=str(error))
        connection.close()
