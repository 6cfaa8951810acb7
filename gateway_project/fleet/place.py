"""`$GATEWAY_VAR/run`: who runs (`<name>.pid`), who works (`<name>.<pid>.alive`), what tests order (`<name>.env`)."""

import fcntl
import os
from pathlib import Path
from typing import IO


class Occupied(Exception):
    """Another fleet runs in this place."""


class RunDirectory:
    """The files of one fleet, which is the only one here while it lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock: IO[str] | None = None

    def occupy(self) -> None:
        """Raises Occupied; the lock ends with the process, however that ends."""
        self._lock = (self.path / "fleet.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(f"another fleet runs in {self.path}") from None
        for old in [*self.path.glob("*.pid"), *self.path.glob("*.alive")]:
            old.unlink(missing_ok=True)
        self.note("fleet", os.getpid())

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
        if file.exists() and file.read_text().strip() == str(pid):
            file.unlink()

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
