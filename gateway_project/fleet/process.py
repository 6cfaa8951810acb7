"""One life of one program: started, watched, ended with everything that it started."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from gateway_project.fleet.place import RunDirectory

ROOT = Path(__file__).resolve().parent.parent.parent
LAUNCH = Path(__file__).with_name("launch.py")
STDOUT = 1
_printing = threading.Lock()


def say(text: str, label: str = "") -> None:
    """One whole line; a full disk, or a reader or terminal that has gone, costs lines and never the fleet."""
    octets = f"{label}{text}\n".encode(errors="replace")
    with _printing, contextlib.suppress(OSError):
        while octets:
            octets = octets[os.write(STDOUT, octets) :]


class Process:
    """Lives from its creation to `ended`; `listening` is a socket that it inherits, or None. Raises OSError."""

    def __init__(
        self, name: str, command: str, environment: Mapping[str, str], *, label: str, place: RunDirectory,
        listening: int | None,
    ) -> None:  # fmt: skip
        self.name, self._label, self._place = name, label, place
        self.since = self.last_sign = time.monotonic()
        self.beats = False
        self._mtime = 0
        parent, descriptor = str(os.getpid()), "-" if listening is None else str(listening)
        alive = str(place.alive(name, "{pid}"))
        # Of its own session: Ctrl-C reaches us, and we tell each process once. Every command begins with exec, so
        # that the shell is gone and the signal reaches the program.
        self._popen = subprocess.Popen(  # noqa: S603 - our own Procfile
            [sys.executable, "-IS", str(LAUNCH), parent, descriptor, alive, command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if listening is None else (listening,),
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._printer = threading.Thread(target=self._print, name=f"output of {name}", daemon=True)
        try:
            self._printer.start()
        except RuntimeError as error:  # nobody would read what it says, and it would stand still in the end
            self.kill()
            self._popen.wait()
            raise OSError(str(error)) from error

    def noted(self) -> None:
        """Its pidfile says from now on that this is the one; on a full disk it works without."""
        try:
            self._place.note(self.name, self.pid)
        except OSError as error:
            say(f"{self.name}: no pidfile for {self.pid}: {error}")

    def ended(self) -> int | None:
        """The exit status (negative: the signal that killed it), None while it lives.

        What it leaves behind is killed before its pid is free again, so that the children of a killed Celery parent
        or gunicorn master never work beside those of its successor.
        """
        if self._popen.returncode is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.kill()
            self._popen.wait()
            self._place.forget(self.name, self.pid)
            self._printer.join(1)
        return self._popen.returncode

    def terminate(self) -> None:
        """Ask it, and nobody else, to end in order."""
        self._popen.terminate()

    def kill(self) -> None:
        """End its whole session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(self.pid, signal.SIGKILL)

    def look(self, now: float) -> None:
        """Note whether it gave a sign of life since the last look."""
        try:
            mtime = self._place.alive(self.name, str(self.pid)).stat().st_mtime_ns
        except FileNotFoundError:
            return
        if mtime != self._mtime:
            self._mtime, self.last_sign, self.beats = mtime, now, True

    def _print(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            say(line.decode(errors="replace").rstrip("\n"), self._label)
