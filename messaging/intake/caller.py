"""Whether somebody still waits for a batch: who was told "not accepted" must not find it sent."""

import threading


class Abandoned(Exception):
    """The callers were told that nothing was accepted, so nothing is."""


class Caller:
    """Those who wait for one batch may give up until its COMMIT is sent, not any more afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = self._committing = False

    def give_up(self) -> bool:
        """True: nothing of the batch will be committed. False: it may be, or is."""
        with self._lock:
            self._gone = self._gone or not self._committing
            return self._gone

    def before_commit(self) -> None:
        """From here on nobody can give up; raises Abandoned when somebody has."""
        with self._lock:
            if self._gone:
                raise Abandoned
            self._committing = True
