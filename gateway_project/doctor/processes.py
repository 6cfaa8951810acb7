"""The processes of `make up` on this machine: who runs, and when each last gave a sign of life."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from gateway_project.doctor.findings import Finding, ago, fail, ok, warn
from gateway_project.fleet.place import occupied

QUIET = 45.0  # seconds; the fleet itself acts after 90


def look() -> Iterator[Finding]:
    """Without a fleet here nothing is wrong: systemd or compose may watch, or another machine may work."""
    run = Path(settings.GATEWAY_VAR) / "run"
    pids = {file.stem: file.read_text().strip() for file in sorted(run.glob("*.pid"))}
    fleet = pids.pop("fleet", "")
    if not fleet:
        yield ok("make up does not run here")
        return
    if not occupied(run):  # not by the pid, which may be another program's by now
        yield fail(f"make up was killed (pid {fleet}): nobody restarts what dies", "make up")
        return
    found = [finding for name, pid in pids.items() for finding in _signs(name, run / f"{name}.{pid}.alive")]
    yield from found or [ok(f"{len(pids)} processes work: {', '.join(pids)}")]


def _signs(name: str, file: Path) -> Iterator[Finding]:
    try:
        silent = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        yield warn(f"{name} has not begun to work", "see what it says in the log of make up")
        return
    if silent > QUIET:
        yield warn(f"{name} gave its last sign of life {ago(silent)} ago", "nothing: it is restarted after 90 s")
