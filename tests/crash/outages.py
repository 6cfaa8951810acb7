"""Stores that are away for minutes, or frozen, under load (P10): `python -m tests.crash.outages --seconds 600`.

Each is a fault like any other, so that the checker judges the run: a false OK would be a lost message, a refusal that
was sent all the same is counted. What the customers were told meanwhile, and how fast, stands in the details.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.crash import report
from tests.crash.campaign import Orders, end_in_order, run
from tests.crash.faults import Answer, Details, Family
from tests.crash.stores import Store
from tests.crash.world import World

LIMIT = 2.0  # seconds in which every request must be answered (P10)
UNKNOWN_LIMIT = 5.5  # of those whose COMMIT was under way: the truth is worth that much (reliability, design rule 1.3)


def of_answers(answers: Sequence[Answer], seconds: float) -> Details:
    """By status (0: no answer) how many and how fast in seconds; accepted a second; how many beyond the limits."""
    by_status: dict[int, list[float]] = defaultdict(list)
    for answer in answers:
        by_status[answer.status].append(answer.seconds)
    return {
        "answers": {str(status): {"n": len(times), **_spread(times)} for status, times in sorted(by_status.items())},
        "accepted_per_second": round(len(by_status[200]) / seconds, 1),
        "beyond_2s": sum(answer.seconds > LIMIT for answer in answers),
        "beyond_5s": sum(answer.seconds > UNKNOWN_LIMIT for answer in answers),
    }


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    rank = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)  # noqa: E731
    return {"p50": rank(0.5), "p99": rank(0.99), "max": round(ordered[-1], 3)}


class Outage:
    """A store is stopped, or frozen, for so many seconds."""

    family = Family.STORE

    def __init__(self, store: str, how: str, seconds: float) -> None:
        self._store, self._how, self._seconds = store, how, seconds
        self.name = f"{store}-{how}-{seconds:g}s"

    def strike(self, world: World, rng: random.Random) -> Details:
        """The answers are those to requests that were sent while it was away."""
        store: Store = getattr(world.stores, self._store)
        began = time.monotonic()
        if self._how == "frozen":
            store.freeze()
        else:
            store.stop()
        try:
            time.sleep(self._seconds)
            during = world.load.answers_since(began)
        finally:
            ended = time.monotonic()
            if self._how == "frozen":
                store.thaw()
            else:
                store.start()
        return {**of_answers(during, ended - began), "pending": world.load.pending(), "lasted": ended - began}

    def settled(self, world: World) -> bool:
        """Nobody presses anything: the service must say by itself that it can work."""
        return world.fleet.alive() and world.ready()


def kinds(seconds: float, redis_seconds: float, frozen_seconds: float) -> list[Outage]:
    """RabbitMQ, PostgreSQL and Redis down, and each of them frozen."""
    down = [Outage("rabbit", "down", seconds), Outage("postgres", "down", seconds)]
    return [
        *down,
        Outage("redis", "down", redis_seconds),
        *(Outage(store, "frozen", frozen_seconds) for store in ("rabbit", "postgres", "redis")),
    ]


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every promise held."""
    end_in_order()
    options = _parser().parse_args(arguments)
    faults = {one.name: one for one in kinds(options.seconds, options.redis_seconds, options.frozen_seconds)}
    wanted = [name for name in faults if not options.kinds or name.startswith(tuple(options.kinds.split(",")))]
    orders = Orders(
        seed=options.seed, per_kind=options.times, rate=options.rate, out=options.out, overlap=0.0, place=options.place
    )
    done = run({name: faults[name] for name in wanted}, orders)
    print(report.markdown(done))
    return 0 if report.holds(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="that RabbitMQ and PostgreSQL are down")
    parser.add_argument("--redis-seconds", type=float, default=60.0)
    parser.add_argument("--frozen-seconds", type=float, default=30.0)
    parser.add_argument("--kinds", default="", help="comma-separated beginnings of names, like postgres,rabbit-down")
    parser.add_argument("--times", type=int, default=1, help="each kind so often")
    parser.add_argument("--rate", type=float, default=45.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, default=None, help="directory of the journals (default: a new one)")
    parser.add_argument("--out", type=Path, default=Path("docs/reports/outages"), help="report without suffix")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
