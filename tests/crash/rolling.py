"""Restarts as an upgrade makes them, under load (P15): `python -m tests.crash.rolling --times 10`.

Three ways: each process in turn gets SIGTERM and is started again by the fleet; the fleet's own reload (SIGHUP), which
is what docs/operations.md tells an operator to do; and the whole fleet stopped and started.
"""

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.crash import report
from tests.crash.campaign import Orders, end_in_order, run
from tests.crash.faults import Answer, Details, Family
from tests.crash.outages import of_answers
from tests.crash.senders import IMPATIENT
from tests.crash.world import World

REPLACED_SECONDS = 120.0  # for one process, or for the whole of a reload
SUPERVISOR = "fleet"  # its pidfile


class Restart:
    """One way to restart. `refused`: answers of 5xx and connections that were refused or cut, as customers saw it.

    `hung_up`: the load's own clients who leave after 20 ms (tests.crash.senders), told from the others by that time.
    """

    family = Family.BINDS  # the slowest part decides

    def __init__(self, name: str) -> None:
        self.name = name

    def strike(self, world: World, rng: random.Random) -> Details:
        """Over when every process is a new one and the web says that it can work."""
        began, before = time.monotonic(), _pids(world)
        self._restart(world)
        replaced = world.wait(lambda: _all_new(before, _pids(world)) and world.ready(), REPLACED_SECONDS, 0.1)
        lasted = time.monotonic() - began
        answers = world.load.answers_since(began)
        hung_up = sum(map(_hung_up, answers))
        refused = sum(answer.status == 0 or answer.status >= 500 for answer in answers) - hung_up
        told = {"refused": refused, "hung_up": hung_up, "replaced": replaced, "lasted": lasted}
        return {**of_answers(answers, lasted), **told}

    def settled(self, world: World) -> bool:
        return world.fleet.alive() and world.ready()

    def _restart(self, world: World) -> None:
        raise NotImplementedError


class OneByOne(Restart):
    """SIGTERM to each process, the next when the former has a successor and the web works."""

    def _restart(self, world: World) -> None:
        for name in world.fleet.names:
            old = world.fleet.pid(name)
            world.fleet.roll(name)
            world.wait(lambda name=name, old=old: world.fleet.pid(name) not in (None, old), REPLACED_SECONDS)
            world.wait(world.ready, REPLACED_SECONDS)


class Reload(Restart):
    """SIGHUP to the fleet."""

    def _restart(self, world: World) -> None:
        fleet = world.fleet.pid(SUPERVISOR)
        assert fleet is not None
        os.kill(fleet, signal.SIGHUP)


class Whole(Restart):
    """Everything stopped, everything started."""

    def _restart(self, world: World) -> None:
        status = world.fleet.stop()
        world.note("fleet stopped", status=status)
        world.fleet.start()


def _hung_up(answer: Answer) -> bool:
    return answer.status == 0 and IMPATIENT <= answer.seconds < 3 * IMPATIENT


def _pids(world: World) -> dict[str, int | None]:
    return {name: world.fleet.pid(name) for name in world.fleet.names}


def _all_new(before: dict[str, int | None], now: dict[str, int | None]) -> bool:
    return all(pid is not None and pid != before[name] for name, pid in now.items())


def kinds() -> list[Restart]:
    """All ways."""
    return [OneByOne("roll-one-by-one"), Reload("reload"), Whole("restart-whole-fleet")]


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held."""
    end_in_order()
    options = _parser().parse_args(arguments)
    faults = {one.name: one for one in kinds() if not options.kinds or one.name in options.kinds.split(",")}
    orders = Orders(
        seed=options.seed, per_kind=options.times, rate=options.rate, out=options.out, overlap=0.0, place=options.place
    )
    done = run(faults, orders)
    print(report.markdown(done))
    return 0 if report.holds(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.rolling", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="each way so often")
    parser.add_argument("--kinds", default="", help="comma-separated: roll-one-by-one, reload, restart-whole-fleet")
    parser.add_argument("--rate", type=float, default=45.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, default=None, help="directory of the journals (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("docs/reports/rolling"), help="report without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
