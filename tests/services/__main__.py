"""Command line: `python -m tests.services run -- COMMAND [ARGUMENT ...]`."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import FrameType

from tests.services.answering import Unusable
from tests.services.choosing import Chosen, choose_all
from tests.services.programs import install_missing

USAGE = "usage: python -m tests.services run -- COMMAND [ARGUMENT ...]"
COMMAND_END_SECONDS = 60  # pytest tears its databases down after a signal


class Stopped(Exception):
    """A signal asked us to end."""

    def __init__(self, sign: int) -> None:
        super().__init__(signal.Signals(sign).name)
        self.sign = sign


def _raise_stopped(sign: int, _frame: FrameType | None) -> None:
    raise Stopped(sign)


def _listen(action: object) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, action)  # type: ignore[arg-type]


def _environment(chosen: list[Chosen]) -> dict[str, str]:
    urls = {item.service.variable: item.url for item in chosen}
    # Two checkouts may run at once on one server: each has its own database.
    database = "test_gateway_" + sha256(str(Path.cwd()).encode()).hexdigest()[:8]
    return {"GATEWAY_TEST_DB_NAME": database, **os.environ, **urls}


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` in its own session; a signal is passed on to all of it exactly once."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return process.wait()
    except Stopped as stopped:
        _listen(signal.SIG_IGN)
        _end(process, stopped.sign)
        raise


def _end(process: subprocess.Popen[bytes], sign: int) -> None:
    try:
        os.killpg(process.pid, sign)
        process.wait(COMMAND_END_SECONDS)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command: list[str]) -> int:
    """Run `command` among the services; returns its exit status, or 128 + the signal that ended us."""
    _listen(_raise_stopped)
    with ExitStack() as stack:
        try:
            chosen = choose_all(os.environ, stack)
            install_missing()
            print("services: " + ", ".join(f"{c.service.name} ({c.origin})" for c in chosen), flush=True)
            status = _run(command, _environment(chosen))
        except Unusable as error:
            print(f"services: {error}", file=sys.stderr)
            return 1
        except Stopped as stopped:
            return 128 + stopped.sign
        finally:
            _listen(signal.SIG_IGN)  # nothing may interrupt the stopping of what we started
    return status if status >= 0 else 128 - status


def main(arguments: list[str]) -> int:
    """Parse the command line; returns the exit status."""
    if len(arguments) < 3 or arguments[:2] != ["run", "--"]:
        print(USAGE, file=sys.stderr)
        return 2
    return run(arguments[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
