"""`python -m gateway_project.fleet reload` (`make reload`): asks the fleet, waits, and says how it ended."""

import os
import signal
import sys
import time
from pathlib import Path

from gateway_project.fleet.place import RELOADED, occupied
from gateway_project.fleet.supervisor import ALL_NEW

EVERY = 0.1  # seconds between looks
# More than the fleet itself may take: each of six successors has 60 s to work, each predecessor 45 s to end.
PATIENCE = 15 * 60.0


def reload(run: Path) -> int:
    """0 when every process of the fleet in `run` is a new one."""
    if not occupied(run):
        return _failed(f"no fleet runs in {run}")
    told = run / RELOADED
    told.unlink(missing_ok=True)
    os.kill(int((run / "fleet.pid").read_text()), signal.SIGHUP)
    until = time.monotonic() + PATIENCE
    while not told.exists():
        if not occupied(run):
            return _failed("the fleet has ended")
        if time.monotonic() >= until:
            return _failed(f"not done after {PATIENCE / 60:g} minutes; see its log")
        time.sleep(EVERY)
    how = told.read_text()
    if how != ALL_NEW:
        return _failed(how)
    sys.stdout.write(f"reload: {how}\n")
    return 0


def _failed(why: str) -> int:
    sys.stderr.write(f"reload: {why}\n")
    return 1
