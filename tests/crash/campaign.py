"""One campaign: world, load, nemesis, calm, judgement."""

import json
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tests.crash import checker, report
from tests.crash.evidence import Evidence, gather
from tests.crash.faults import Fault
from tests.crash.nemesis import OVERLAP, Nemesis, Struck, plan
from tests.crash.poison import RUNS
from tests.crash.poison_runs import of_one_handing_out, runs
from tests.crash.world import CREDITS, POOR_CREDITS, RATE, FleetOf, Line, World, world

CALM_SECONDS = 300.0  # for everything under way to end (reliability P1)
WARM_UP = 3.0
POISON_RUNS = 4  # of one bad task before it is given up
RELAY_SECONDS = 30.0  # after which a hint that a dead process left behind has been published for it


@dataclass(slots=True, kw_only=True)
class Orders:
    """What a campaign is asked for."""

    seed: int
    per_kind: int
    rate: float
    out: Path
    minutes: float = 0.0
    minimum_acknowledged: int = 0
    shard: str = "1/1"
    overlap: float = OVERLAP
    place: Path | None = None
    calm: float = CALM_SECONDS
    line: Line = field(default_factory=Line)


def end_in_order() -> None:
    """Fleet and stores end with us, also when a signal ends us."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _end)


def _end(sign: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + sign)


Finale = Callable[[World], list[checker.Figure]]


Sieve = Callable[[Evidence], tuple[Evidence, list[checker.Figure]]]


def run(
    faults: Mapping[str, Fault],
    orders: Orders,
    *,
    finale: Finale = lambda stage: [],
    sieve: Sieve = lambda evidence: (evidence, []),
    fleet_of: FleetOf | None = None,
) -> report.Report:
    """Run it and return its report, which has also been written after each fault.

    `finale` measures something once the faults are over, while the load goes on. `sieve` judges the part of the
    evidence that is not of our senders, and returns the rest. `fleet_of` makes what runs the product's processes.
    """
    place = orders.place or Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    begun = report.head(seed=orders.seed, shard=orders.shard, rate=orders.rate, kinds=list(faults))
    until = time.monotonic() + orders.minutes * 60 if orders.minutes else float("inf")
    proxied = any(getattr(fault, "proxied", False) for fault in faults.values())
    staged: dict[str, Any] = {"fleet_of": fleet_of} if fleet_of is not None else {}
    with world(place, seed=orders.seed, rate=orders.rate, proxied=proxied, line=orders.line, **staged) as stage:
        dice = random.Random(f"nemesis {orders.seed} {orders.shard}")

        def after_each(struck: list[Struck]) -> None:
            _tell(struck[-1])
            report.write(
                report.finish(begun, _faults(struck), load=_load(stage), note=f"journals: {place}"), orders.out
            )

        nemesis = Nemesis(stage, faults, dice, after_each=after_each, overlap=orders.overlap)
        began = time.monotonic()
        time.sleep(WARM_UP)
        nemesis.run(plan(list(faults), orders.per_kind, dice), until=until)
        _reach(stage, orders.minimum_acknowledged, until)
        lasted = time.monotonic() - began
        measured = finale(stage)
        stage.load.stop_sending()
        nemesis.settle_debts(orders.calm)
        stage.wait(lambda: stage.load.pending() <= 0, orders.calm, 0.5)
        time.sleep(2)  # the carrier writes its journal every second
        ours = _own_audit(stage, place, nemesis.struck)
        load = {**_load(stage), "seconds": round(lasted), "seconds_at_rest": round(nemesis.rested)}
    evidence, beside = sieve(gather(place, price=RATE, opening={"crash": CREDITS, "poor": POOR_CREDITS}))
    judged = checker.judge(evidence, rate=orders.rate, window=orders.line.window)
    figures = [figure.as_dict() for figure in [*judged, *beside, *measured, *ours]]
    done = report.finish({**begun, "complete": True}, _faults(nemesis.struck), load=load, figures=figures)
    report.write(done, orders.out)
    return done


def _faults(struck: list[Struck]) -> list[dict[str, Any]]:
    return [fault.as_dict() for fault in struck]


def _load(stage: World) -> dict[str, Any]:
    load = stage.load
    return {
        "acknowledged": load.acknowledged, "told": load.told, "held_back": load.held_back,
        "answers": {str(status): count for status, count in sorted(load.statuses.items())},
    }  # fmt: skip


def _reach(stage: World, acknowledged: int, until: float) -> None:
    """Go on in peace until so many were acknowledged."""
    while stage.load.acknowledged < acknowledged and time.monotonic() < until:
        stage.fleet.supervised()
        time.sleep(0.5)


def _own_audit(stage: World, place: Path, struck: list[Struck]) -> list[checker.Figure]:
    """What the product's own audit says, and the export for ours."""
    stage.manage("audit_export", str(place / "export"))
    counters = _counters(stage)
    (place / "counters.json").write_text(json.dumps(counters))
    findings = 0
    try:
        stage.manage("audit_ledger")
    except subprocess.CalledProcessError as error:
        findings = max(1, len(error.stdout.splitlines()) - 1)
        (place / "audit.txt").write_text(error.stdout + error.stderr)
    poisons = runs(place / "var" / RUNS)
    worst = max((of_one_handing_out(at, struck) for at in poisons.values()), default=0)
    return [
        checker.Figure(
            "runs_of_one_poison",
            worst,
            len(poisons),
            POISON_RUNS,
            meaning="before it ended, or a fault of the workers or the broker handed it out again",
        ),
        checker.Figure("own_audit_findings", findings, counters["committed"], 0, meaning="of manage.py audit_ledger"),
        checker.Figure("own_ledger_diff", counters["ledger_diff"], counters["committed"], 0, meaning="of its counters"),
        checker.Figure("unpublished", counters["unpublished"], counters["parts"], 0, meaning="hints that nobody got"),
        checker.Figure("orphan_receipts", counters["orphan_receipts"], counters["parts"], 0, meaning="without a part"),
    ]


def _counters(stage: World) -> dict[str, Any]:
    """The product's counters, as soon as the relay has published what a fault at the very end left behind."""
    until = time.monotonic() + RELAY_SECONDS
    while True:
        counters: dict[str, Any] = json.loads(stage.manage("counters", "--json"))
        if not counters["unpublished"] or time.monotonic() > until:
            return counters
        time.sleep(1)


def _tell(struck: Struck) -> None:
    said = f"skipped: {struck.skipped}" if struck.skipped else f"recovered {struck.recovered}"
    print(f"{struck.number} {struck.kind}: {said} {json.dumps(struck.details)}", flush=True)
