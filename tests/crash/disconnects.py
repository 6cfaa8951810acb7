"""The carrier hangs up in the middle of a full window (P2, F7): `python -m tests.crash.disconnects --times 200`.

By rst, fin, unbind and silence in turn, each when submit_sm stand unanswered. Judged like every campaign; beyond that
the copies of all disconnects together stay below their windows, and afterwards the whole window is used again.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from tests.crash import report
from tests.crash.campaign import Orders, end_in_order, run
from tests.crash.checker import Figure
from tests.crash.faults import Details, Skipped
from tests.crash.faults.processes import Cut
from tests.crash.world import Line, World

KINDS = ("rst", "fin", "unbind", "silence")
WINDOW = 10
ANSWER_MS = (150, 250)
# A carrier that says nothing is found by its answers that stay away, and given up after two enquire_link without one.
TIMERS = {"response_timeout": 3, "enquire_link_interval": 2, "enquire_link_timeout": 2}
LEAST = 4  # submit_sm without an answer: the middle of the window
FULL_SECONDS = 60.0  # to see the whole window in use again
SPEED_SECONDS = 8.0


class MidWindow(Cut):
    """A cut for which the window must stand open."""

    def strike(self, world: World, rng: random.Random) -> Details:
        if not world.wait(lambda: world.carrier.unanswered() >= LEAST, 20, 0.02):
            raise Skipped("the window is not in use")
        return {"unanswered": world.carrier.unanswered(), **super().strike(world, rng)}


def slots(world: World) -> list[Figure]:
    """More is sent than the window lets through: every slot must be seen in use, and answers come at its full rate."""
    rate, world.load.rate = world.load.rate, 2.5 * _possible()
    try:
        most = 0
        until = time.monotonic() + FULL_SECONDS
        while most < WINDOW and time.monotonic() < until:
            most = max(most, world.carrier.unanswered())
            time.sleep(0.01)
        before, began = world.carrier.counters()["submits"], time.monotonic()
        time.sleep(SPEED_SECONDS)
        speed = (world.carrier.counters()["submits"] - before) / (time.monotonic() - began)
    finally:
        world.load.rate = rate
    meaning = f"of the window, after all disconnects; {speed:.0f} submit_sm/s of {_possible():.0f} that it allows"
    return [
        Figure("window_slots_leaked", max(0, WINDOW - most), WINDOW, 0, meaning=meaning),
        Figure("slower_than_half", int(speed < _possible() / 2), 1, 0, meaning="full speed afterwards"),
    ]


def _possible() -> float:
    """submit_sm a second that the window allows."""
    return WINDOW * 1000 / (sum(ANSWER_MS) / 2)


def within_windows(done: report.Report) -> Figure:
    """All copies of the run against the sum of all windows (reliability P2)."""
    copies = next(figure for figure in done["figures"] if figure["name"] == "ambiguous_duplicates")
    struck = [fault for fault in done["faults"] if not fault["skipped"]]
    return Figure(
        "ambiguous_of_all_windows",
        copies["count"],
        len(struck),
        WINDOW * len(struck),
        meaning="copies of all disconnects",
    )


def disconnect(orders: Orders) -> report.Report:
    """The campaign, its report written."""
    orders.overlap, orders.line = 0.0, Line(WINDOW, TIMERS, "{}-{}".format(*ANSWER_MS))
    done = run({f"smsc-{kind}": MidWindow(kind) for kind in KINDS}, orders, finale=slots)
    done["figures"].append(within_windows(done).as_dict())
    report.write(done, orders.out)
    return done


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held."""
    end_in_order()
    options = _parser().parse_args(arguments)
    orders = Orders(
        seed=options.seed, per_kind=-(-options.times // len(KINDS)), rate=options.rate, out=options.out,
        minutes=options.minutes, place=options.place,
    )  # fmt: skip
    done = disconnect(orders)
    print(report.markdown(done))
    return 0 if report.holds(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.disconnects", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="disconnects in all")
    parser.add_argument("--minutes", type=float, default=0.0, help="no new one after so long (0: no limit)")
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, default=None, help="directory of the journals (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("docs/reports/disconnects"), help="report without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
