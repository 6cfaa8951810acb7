"""Curves: does a message cost more when there is more of something? `python -m bench.growth [--quick]`. Prints JSON.

`messages`: the database is filled through the gateway, 1,000 messages a request, as fast as it accepts (so that a
backlog builds up); at each size single messages are measured. `connectors`: one fleet with 32 of them, traffic over
1, 4, 16 and 32. `processes`: web and events workers 1, 2, 4, a fleet each.
"""

import argparse
import json
import os
import time
from typing import Any

import uvloop

from bench import gateways, loads
from bench.end_to_end import SETTLING
from bench.gateways import Gateway
from bench.journey import Shape, measure

CONNECTORS = (1, 4, 16, 32)
PROCESSES = (1, 2, 4)
SIZES = (1_000, 10_000, 50_000, 200_000)
CHUNK = 50_000  # messages of one run at most: numbers of a run have six digits, and the harness holds them


def point(found: dict[str, Any]) -> dict[str, Any]:
    """What a curve shows of a run."""
    cpu, latency = found["cpu_seconds_per_1000"], found["latency"]
    return {
        "messages_per_second": found["end_to_end_per_second"],
        "accepted_per_second": found["accepted_per_second"],
        "cpu_seconds_per_1000": cpu["ours and stores"],
        "ours": cpu["ours in all"],
        "stores": cpu["stores in all"],
        "accept_p50_ms": found["accept_p50_ms"],
        "to_submit_sm_p50_ms": latency.get("to submit_sm", {}).get("p50_ms"),
        "to_webhook_p50_ms": latency["to webhook"]["p50_ms"],
        "backlog_at_last_accept": found["backlog_at_last_accept"],
        "missing": found["count"] - found["webhooks"],
        "stolen_share": found["stolen_share"],
    }


def messages(sizes: tuple[int, ...], probe: int, most_seconds: float) -> list[dict[str, Any]]:
    """A point for each size; sizes for which there was no time are left out, and named."""
    curve: list[dict[str, Any]] = []
    with gateways.fleet() as gateway:
        stored, run, began = 200, 1, time.monotonic()
        uvloop.run(measure(gateway, Shape(stored), run=0))
        for size in sizes:
            fill = None
            while stored < size and time.monotonic() - began < most_seconds:
                count = min(size - stored, CHUNK)
                fill = uvloop.run(measure(gateway, Shape(count, 4, batch=min(count, 1_000)), run=run))
                stored, run = stored + count, run + 1
            if stored < size:
                curve.append({"messages": size, "left out": f"not reached in {most_seconds:g} s, {stored} stored"})
                break
            found = uvloop.run(measure(gateway, Shape(probe), run=run))
            stored, run = stored + probe, run + 1
            curve.append({"messages": size, "singles": point(found), "batches before": fill and point(fill)})
    return curve


def connectors(counts: tuple[int, ...], probe: int) -> list[dict[str, Any]]:
    """A point for each count of connectors that carry traffic."""
    most = max(counts)
    with gateways.fleet(document=_connectors(most)) as gateway:
        uvloop.run(measure(gateway, Shape(20 * most, spread=most), run=0))
        return [_spread(gateway, count, probe, run) for run, count in enumerate(counts, 1)]


def _spread(gateway: Gateway, count: int, probe: int, run: int) -> dict[str, Any]:
    found = uvloop.run(measure(gateway, Shape(probe, spread=count), run=run))
    return {"connectors": count, "memory_mib": gateway.memory_mib(), "singles": point(found)}


def _connectors(count: int) -> dict[str, Any]:
    names = [f"line{nth}" for nth in range(count)]
    line = {"kind": "smpp", "host": "127.0.0.1", "password": "bench", "bind": "transceiver", "binds": 1, "window": 100}
    routes = [{"prefix": "", "connectors": ["smpp1"], "rate": "0.5500"}]
    routes += [
        {"prefix": loads.spread_prefix(nth), "connectors": [name], "rate": "0.5500"} for nth, name in enumerate(names)
    ]
    return {
        "connectors": [{"name": name, "system_id": name, **line} for name in names],
        "routing_profiles": [{"name": "default", "default": True, "routes": routes}],
    }


def processes(counts: tuple[int, ...], probe: int) -> list[dict[str, Any]]:
    """A point for each count of web processes and of events workers: singles and batches."""
    try:
        return [_of_processes(count, probe) for count in counts]
    finally:
        for name in ("WEB_WORKERS", "EVENT_WORKERS"):
            os.environ.pop(name, None)  # the other curves have the Procfile's


def _of_processes(count: int, probe: int) -> dict[str, Any]:
    os.environ["WEB_WORKERS"] = os.environ["EVENT_WORKERS"] = str(count)
    with gateways.fleet() as gateway:
        time.sleep(SETTLING)
        memory = gateway.memory_mib()
        uvloop.run(measure(gateway, Shape(500), run=0))
        single = uvloop.run(measure(gateway, Shape(probe), run=1))
        batch = uvloop.run(measure(gateway, Shape(probe, 4, batch=500), run=2))
    return {"processes": count, "memory_mib_at_start": memory, "singles": point(single), "batches": point(batch)}


def main() -> None:
    """Draw the curves that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", nargs="*", default=["messages", "connectors", "processes"])
    parser.add_argument("--quick", action="store_true", help="few points of few messages")
    parser.add_argument("--probe", type=int, default=3_000, help="single messages at each point")
    parser.add_argument("--most-seconds", type=float, default=360.0, help="for filling the database")
    given = parser.parse_args()
    quick: bool = given.quick
    probe = 400 if quick else given.probe
    draw = {
        "messages": lambda: messages((1_000, 4_000) if quick else SIZES, probe, 30 if quick else given.most_seconds),
        "connectors": lambda: connectors((1, 32) if quick else CONNECTORS, probe),
        "processes": lambda: processes((1, 2) if quick else PROCESSES, probe),
    }
    print(json.dumps({name: draw[name]() for name in given.curves}, indent=2))


if __name__ == "__main__":
    main()
