"""This process' number inside ids, leased from the database, so that short ids (63 bits) are nobody else's.

A thread takes the number and extends it; drawing an id asks nobody. Without the database a process starts all the same
and draws by a number that is not leased (common.ids), until the thread has one.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from django.db import DatabaseError, connection

from common import ids, process_leases

log = structlog.get_logger(__name__)

PURPOSE: Final = "ids"
TTL: Final = 60.0  # seconds
EVERY: Final = 15.0  # seconds between renewals
AGAIN: Final = 1.0  # seconds between tries while there is no lease
MARGIN: Final = 5.0  # seconds before the end at which we stop drawing by it
REST: Final = 10.0  # seconds for which a number rests: hosts whose clocks differ by less draw nothing twice


class NumberKeeper:
    """Holds one number from `start` to `stop`."""

    def __init__(self) -> None:
        self._owner = secrets.randbits(62)
        self._number: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="process-number", daemon=True)

    def start(self) -> None:
        """Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Give the number back; waits for at most a few seconds."""
        self._stopping.set()
        self._thread.join(3.0)

    def renew(self) -> bool:
        """Take a number, or extend the one that we have; raises DatabaseError."""
        began = time.monotonic()
        if self._number is None or not self._take(self._number):
            self._number = next((number for number in self._candidates() if self._take(number)), None)
        if self._number is None:
            log.error("process_numbers_all_taken", count=ids.LEASABLE)
            return False
        ids.lend(self._number, began + TTL - MARGIN)
        return True

    def free(self) -> None:
        """Give the number back; raises DatabaseError."""
        ids.lend(0, float("-inf"))
        if self._number is not None:
            process_leases.free_number(self._owner, self._number)
            self._number = None

    def _take(self, number: int) -> bool:
        return process_leases.take_number(self._owner, PURPOSE, number, seconds=TTL, rest=REST)

    def _candidates(self) -> list[int]:
        free = sorted(set(range(ids.LEASABLE)) - process_leases.taken_numbers(PURPOSE, rest=REST))
        secrets.SystemRandom().shuffle(free)  # many that start at once do not all want the same
        return free[:50]

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(EVERY if self._safely(self.renew) else AGAIN)
        self._safely(self.free)

    @staticmethod
    def _safely(step: Callable[[], bool | None]) -> bool:
        try:
            return bool(step())
        except DatabaseError as error:
            log.warning("process_number_not_renewed", error=str(error))
            return False
        finally:
            connection.close()  # one statement in fifteen seconds is worth no connection


_keeper: NumberKeeper | None = None
_users = 0
_lock = threading.Lock()


def start() -> None:
    """Hold a number in this process until `stop` has been called as often as this."""
    global _keeper, _users
    with _lock:
        _users += 1
        if _keeper is None:
            _keeper = NumberKeeper()
            _keeper.start()


def stop() -> None:
    """See `start`."""
    global _keeper, _users
    with _lock:
        _users = max(0, _users - 1)
        keeper, _keeper = (_keeper, None) if _users == 0 else (None, _keeper)
    if keeper is not None:
        keeper.stop()


def _after_fork() -> None:
    global _keeper, _users, _lock
    _keeper, _users, _lock = None, 0, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
