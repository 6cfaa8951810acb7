"""Deaths and pauses of the processes of the fleet (reliability F1, F2, F18)."""

import os
import random
import signal
import subprocess
import time

from honcho import environ

from tests.crash.faults import Details, Family, Skipped
from tests.crash.world import World
from tests.support.embedded import ROOT

LEASE_SECONDS = 13.0  # of a bind: a sleeper must outlast it
ORDER_SECONDS = 60.0  # within which a point of the code is passed under load


def _family_of(name: str) -> Family:
    return Family.BINDS if name == "binds" else Family.PROCESS


class Kill:
    """kill -9 of a process, or of one of its children."""

    def __init__(self, process: str, *, child: bool = False) -> None:
        self._process, self._child = process, child
        self.name = f"kill-{process}-child" if child else f"kill-{process}"
        self.family = _family_of(process)
        self._victim = 0

    def strike(self, world: World, rng: random.Random) -> Details:
        found = world.fleet.children(self._process) if self._child else [world.fleet.pid(self._process) or 0]
        if not found or not found[0]:
            raise Skipped(f"no {self._process} runs now")
        self._victim = rng.choice(found)
        world.fleet.kill(self._victim)
        return {"pid": self._victim}

    def settled(self, world: World) -> bool:
        pid = world.fleet.pid(self._process)
        if pid is None or self._victim in world.fleet.family(self._process):
            return False
        return not self._child or bool(world.fleet.children(self._process))


class CrashAt:
    """The process that first passes a point in the code ends there."""

    def __init__(self, point: str, process: str) -> None:
        self._point, self._process = point, process
        self.name = f"at-{point}"
        self.family = _family_of(process)

    def strike(self, world: World, rng: random.Random) -> Details:
        before = world.fleet.everybody()
        order = world.orders / self._point
        order.touch()
        began = time.monotonic()
        if not world.wait(lambda: not order.exists(), ORDER_SECONDS, 0.002):
            order.unlink(missing_ok=True)
            raise Skipped(f"nobody passed {self._point} within {ORDER_SECONDS:g} s")
        waited = time.monotonic() - began
        world.wait(lambda: set(before) - set(world.fleet.everybody()), 5, 0.01)
        dead = {pid: before[pid] for pid in set(before) - set(world.fleet.everybody())}
        return {"waited": round(waited, 3), "dead": dead}

    def settled(self, world: World) -> bool:
        return world.fleet.alive()


class Pause:
    """SIGSTOP of a process and its children beyond the lease, then SIGCONT."""

    def __init__(self, process: str) -> None:
        self._process = process
        self.name, self.family = f"pause-{process}", _family_of(process)

    def strike(self, world: World, rng: random.Random) -> Details:
        pids = world.fleet.family(self._process)
        if not pids:
            raise Skipped(f"no {self._process} runs now")
        seconds = round(rng.uniform(LEASE_SECONDS + 5, LEASE_SECONDS + 10), 1)
        with world.fleet.stopped(pids):
            time.sleep(seconds)
        return {"pids": pids, "seconds": seconds}

    def settled(self, world: World) -> bool:
        return world.fleet.pid(self._process) is not None


class Second:
    """Another copy of a singleton beside the fleet's own, for a while; `killing`: the fleet's own dies meanwhile."""

    def __init__(self, process: str, *, killing: bool = False) -> None:
        self._process, self._killing = process, killing
        self.name = f"second-{process}" + ("-and-kill" if killing else "")
        self.family = _family_of(process)

    def strike(self, world: World, rng: random.Random) -> Details:
        seconds = round(rng.uniform(8, 14), 1)
        command = environ.parse_procfile((ROOT / "Procfile").read_text()).processes[self._process]
        with (world.place / f"second-{self._process}.log").open("ab") as log:
            copy = subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, env=world.environment, stdout=log, stderr=log)
        try:
            time.sleep(seconds / 2)
            killed = world.fleet.pid(self._process) if self._killing else None
            if killed:
                world.fleet.kill(killed)
            time.sleep(seconds / 2)
        finally:
            copy.send_signal(signal.SIGTERM)
            status = _end(copy)
        return {"seconds": seconds, "killed": killed, "status": status}

    def settled(self, world: World) -> bool:
        return world.fleet.pid(self._process) is not None


def _end(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        return process.wait()


class Cut:
    """The carrier ends every session in the middle of its window."""

    family = Family.CARRIER

    def __init__(self, kind: str) -> None:
        self._kind, self.name = kind, f"smsc-{kind}"
        self._binds = 0

    def strike(self, world: World, rng: random.Random) -> Details:
        self._binds = world.carrier.counters()["binds"]
        sessions = world.carrier.disconnect(self._kind)
        if not sessions:
            raise Skipped("nobody is bound now")
        return {"sessions": sessions}

    def settled(self, world: World) -> bool:
        return bool(world.carrier.counters()["binds"] > self._binds)


POINTS = {
    "between-messages-and-ledger": "web",
    "after-commit-before-publish": "web",
    "after-publish-before-delete": "worker",  # the relay passes it only when a process left letters behind
    "claimed": "binds",
    "written": "binds",
    "before-results": "binds",
    "after-results": "binds",
    "line-stored": "binds",
    "line-recorded": "worker",
    "webhook-taken-before-record": "deliveries",
}


def kinds() -> list[Kill | CrashAt | Pause | Second | Cut]:
    """Every kind of this room."""
    found: list[Kill | CrashAt | Pause | Second | Cut] = []
    found += [Kill(name) for name in environ.parse_procfile((ROOT / "Procfile").read_text()).processes]
    found += [Kill(name, child=True) for name in ("web", "worker")]
    found += [CrashAt(point, process) for point, process in POINTS.items()]
    found += [Pause(name) for name in ("web", "worker", "deliveries", "binds")]
    found += [Second("beat"), Second("binds"), Second("binds", killing=True)]
    found += [Cut(kind) for kind in ("rst", "fin", "unbind")]
    return found
