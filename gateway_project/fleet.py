"""`python -m gateway_project.fleet` (`make up`): the processes of the Procfile, with .env in their environment.

Not `honcho start`: that kills after 5 s, where a bind may drain its window for 30, and it signals the pool children
of Celery too, which must finish their tasks.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from honcho import environ

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 45.0  # the same patience as stop_grace_period in docker-compose.yml
_printing = threading.Lock()


class Running:
    """One process; what it says appears with its name in front."""

    def __init__(self, name: str, command: str, environment: dict[str, str], width: int) -> None:
        self.name, self._label = name, f"{name:{width}} | "
        # Of its own session: Ctrl-C reaches us, and we tell each process once. Every command begins with exec, so
        # that the shell is gone and the signal reaches the program.
        self.process = subprocess.Popen(  # noqa: S603 - our own Procfile
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._printer = threading.Thread(target=self._print, name=f"output of {name}", daemon=True)
        self._printer.start()

    def finish(self, until: float) -> int:
        """The exit status (negative: the signal that killed it); kills its whole session when `until` has passed."""
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not end within {STOP_SECONDS:g} s: killed")
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        self._printer.join(1)
        return status

    def _print(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            say(line.decode(errors="replace").rstrip("\n"), self._label)


def say(text: str, label: str = "") -> None:
    """One whole line."""
    with _printing:
        sys.stdout.write(f"{label}{text}\n")
        sys.stdout.flush()


def run(commands: dict[str, str], environment: dict[str, str]) -> int:
    """Run the commands until SIGTERM, SIGINT or until one ends; returns 0 when we were asked and all ended in peace."""
    asked = _listen()
    width = max(map(len, commands))
    running = [Running(name, command, environment, width) for name, command in commands.items()]
    ended_first = None
    while ended_first is None and not asked.wait(0.2):
        ended_first = next((each for each in running if each.process.poll() is not None), None)
    if ended_first is not None:
        say(f"{ended_first.name} ended by itself (status {ended_first.process.returncode}): stopping the others")
    statuses = _stop(running)
    return 0 if ended_first is None and not any(statuses.values()) else 1


def _listen() -> threading.Event:
    asked = threading.Event()

    def ask(_sign: int, _frame: FrameType | None) -> None:
        asked.set()

    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, ask)
    return asked


def _stop(running: list[Running]) -> dict[str, int]:
    for each in running:
        if each.process.poll() is None:
            each.process.terminate()
    until = time.monotonic() + STOP_SECONDS
    statuses = {each.name: each.finish(until) for each in running}
    say("ended: " + ", ".join(f"{name} {status}" for name, status in statuses.items()))
    return statuses


def main() -> int:
    """Read .env and Procfile, run the fleet."""
    file = ROOT / ".env"
    named = environ.parse(file.read_text()) if file.exists() else {}
    commands = environ.parse_procfile((ROOT / "Procfile").read_text()).processes
    return run(dict(commands), {**os.environ, "PYTHONUNBUFFERED": "1", **named})


if __name__ == "__main__":
    sys.exit(main())
