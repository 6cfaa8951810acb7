"""Does the database answer at all? A thread asks four times a second, so that nobody else finds out by waiting.

A server that is down refuses at once; one that is frozen, or whose host is, takes every statement and says nothing.
Slow is not silent: a question without tables needs no lock and no disk.
"""

import threading
from typing import Final

import structlog
from django.db import Error, close_old_connections, connection

from common.clock import monotonic
from common.postgresql.base import Listening
from common.transactions import reconnecting

log = structlog.get_logger(__name__)

EVERY: Final = 0.25  # seconds between questions
PATIENCE: Final = 1.25  # seconds; with EVERY and the batcher's tick below the two in which a customer must be answered


class Pulse:
    """Feels the database's pulse from `start` to `stop`. `silent` may be asked by any thread."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._asked: float | None = None  # since when we wait for an answer
        self._failed = False
        self._before = Listening.silent
        self._thread = threading.Thread(target=self._run, name="database-pulse", daemon=True)

    def start(self) -> None:
        """Begin to ask. From now on statements of this process end when the database is silent."""
        self._before, Listening.silent = Listening.silent, staticmethod(self.silent)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; does not wait for a server that is frozen."""
        self._stopping.set()
        self._thread.join(1.0)
        Listening.silent = staticmethod(self._before)  # in the embedded run: of the part that started before us

    def silent(self) -> bool:
        """Whether the last question failed, or has waited too long for its answer."""
        asked = self._asked
        return self._failed or (asked is not None and monotonic() - asked > PATIENCE)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            self._ask()
        connection.close()

    def _ask(self) -> None:
        was_silent = self.silent()
        close_old_connections()
        self._asked = monotonic()
        try:
            reconnecting(_question)
        except Error as error:
            self._failed = True
            connection.close()
            if not was_silent:
                log.error("database_silent", error=str(error))
        else:
            if was_silent or self.silent():
                log.warning("database_answers_again", seconds=round(monotonic() - self._asked, 1))
            self._failed = False
        self._asked = None


def _question() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
