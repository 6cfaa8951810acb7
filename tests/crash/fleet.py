"""The product's processes under the product's own supervisor. We look at them and hit them; we never restart one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from honcho import environ

from tests.support.embedded import ROOT
from tests.support.waiting import wait_until

START_SECONDS = 120
STOP_SECONDS = 90
SUPERVISOR = "gateway_project.fleet"


class Fleet:
    """`make up`'s runner in `place`; a process is found by its pidfile in `$GATEWAY_VAR/run`."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self._place, self._environment = place, environment
        self._run = Path(environment["GATEWAY_VAR"]) / "run"
        self.names = tuple(environ.parse_procfile((ROOT / "Procfile").read_text()).processes)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor and wait until every process is there."""
        with (self._place / "fleet.log").open("ab") as log:
            command = [sys.executable, "-m", SUPERVISOR]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        wait_until(lambda: self.supervised() and self.alive(), timeout=START_SECONDS, step=0.2)

    def stop(self) -> int:
        """SIGTERM to the supervisor; its exit status. What is left of its processes is killed."""
        assert self._process is not None
        family = [child for name in self.names for child in self.family(name)]
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def supervised(self) -> bool:
        """Whether the supervisor runs; raises when it has ended, because nobody restarts that one."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the supervisor ended with status {self._process.returncode}")
        return True

    def pid(self, name: str) -> int | None:
        """The process of this name that runs now; None between death and restart."""
        try:
            pid = int((self._run / f"{name}.pid").read_text())
            process = psutil.Process(pid)
            return pid if process.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None

    def children(self, name: str) -> list[int]:
        """Its children that run now."""
        pid = self.pid(name)
        return self.family(name)[1:] if pid else []

    def family(self, name: str) -> list[int]:
        """The process and its children, the parent first."""
        pid = self.pid(name)
        if pid is None:
            return []
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    def everybody(self) -> dict[int, str]:
        """Every process of the fleet with the name that it belongs to."""
        return {pid: name for name in self.names for pid in self.family(name)}

    def alive(self) -> bool:
        """Whether every name has a process."""
        return all(self.pid(name) for name in self.names)

    def roll(self, name: str) -> None:
        """SIGTERM, as a deploy does."""
        pid = self.pid(name)
        if pid:
            os.kill(pid, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextlib.contextmanager
    def stopped(self, pids: list[int]) -> Iterator[None]:
        """SIGSTOP to all of them, SIGCONT at the end."""
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _send(pid, signal.SIGCONT)


def _send(pid: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sign)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
