"""`$GATEWAY_VAR/run`: who runs (`<name>.pid`), who works (`<name>.<pid>.alive`), how the last reload ended
(`reloaded`), what tests order (`<name>.env`).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

RELOADED = "reloaded"


class Occupied(Exception):
    """Another fleet runs in this place."""


def occupied(path: Path) -> bool:
    """Whether a fleet lives there, whatever its pidfile says."""
    try:
        with (path / "fleet.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _locked(lock: IO[str]) -> bool:
    """It may be held for a moment by somebody who only looks (`occupied`)."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class RunDirectory:
    """The files of one fleet, which is the only one here while it lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock: IO[str] | None = None
        self._former: set[tuple[str, int]] = set()

    def occupy(self) -> None:
        """Raises Occupied; the lock ends with the process, however that ends."""
        self._lock = (self.path / "fleet.lock").open("a")
        tries = 5
        while not _locked(self._lock):
            tries -= 1
            if not tries:
                raise Occupied(f"another fleet runs in {self.path}")
            time.sleep(0.1)
        self._former = set(self._named())
        for old in [*self.path.glob("*.pid"), *self.path.glob("*.alive")]:
            old.unlink(missing_ok=True)
        self.note("fleet", os.getpid())

    def left_behind(self) -> list[tuple[str, int]]:
        """Processes of the fleet that was here before and did not end itself: they are ending still."""
        return sorted(one for one in self._former if self._is_ours(*one))

    def _named(self) -> Iterator[tuple[str, int]]:
        """By their signs of life, because a successor on trial has no pidfile, and by their pidfiles."""
        for file in self.path.glob("*.*.alive"):
            name, pid, _ = file.name.rsplit(".", 2)
            if pid.isdigit():
                yield name, int(pid)
        for file in self.path.glob("*.pid"):
            pid = file.read_text().strip()
            if pid.isdigit():
                yield file.stem, int(pid)

    def _is_ours(self, name: str, pid: int) -> bool:
        """A pid may be somebody else's by now; the sign of life that it was told to give may not."""
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or this is no Linux, where none is told that its fleet was killed
            return False
        return f"GATEWAY_ALIVE_FILE={self.alive(name, str(pid))}".encode() in environment

    def leave(self) -> None:
        """The fleet ends."""
        (self.path / "fleet.pid").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def note(self, name: str, pid: int) -> None:
        """Whole or not at all: a reader never finds half a number."""
        draft = self.path / f"{name}.pid.new"
        draft.write_text(f"{pid}\n")
        draft.replace(self.path / f"{name}.pid")

    def forget(self, name: str, pid: int) -> None:
        """The process `pid` has ended; the file of a successor stays."""
        self.alive(name, str(pid)).unlink(missing_ok=True)
        file = self.path / f"{name}.pid"
        with contextlib.suppress(OSError):  # no file, or no descriptor to read it: nothing to end the fleet for
            if file.read_text().strip() == str(pid):
                file.unlink()

    def tell_reloaded(self, how: str) -> None:
        """How the reload ended, for whoever asked for it."""
        draft = self.path / "reloaded.new"
        draft.write_text(how)
        draft.replace(self.path / RELOADED)

    def alive(self, name: str, pid: str) -> Path:
        """The file that a process touches while it works."""
        return self.path / f"{name}.{pid}.alive"

    def take_order(self, name: str) -> dict[str, str]:
        """The crash that a test ordered for the next start of `name`, once: one line CRASH_AT=<point>:<n>."""
        file = self.path / f"{name}.env"
        try:
            variable, _, value = file.read_text().strip().partition("=")
        except FileNotFoundError:
            return {}
        file.unlink()
        if variable != "CRASH_AT" or "\n" in value:
            raise ValueError(f"{file}: only one line CRASH_AT=<point>:<n> may stand here")
        return {variable: value}
