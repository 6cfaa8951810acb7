"""Latency and CPU at rest: one message about every 100 ms, and none at all: `python -m bench.at_rest`. Prints JSON."""

import argparse
import json
import time

import uvloop

from bench import gateways
from bench.gateways import Gateway
from bench.journey import Shape, measure

SETTLING = 5.0  # seconds after the start before anything is read


def idle_cpu(gateway: Gateway, seconds: float) -> dict[str, float]:
    """Percent of a core that each process and store uses while nothing is sent."""
    before = gateway.cpu_seconds() | gateway.store_cpu_seconds()
    time.sleep(seconds)
    after = gateway.cpu_seconds() | gateway.store_cpu_seconds()
    return {name: round((used - before[name]) / seconds * 100, 2) for name, used in after.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", choices=["embedded", "fleet"], default="fleet")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rest-ms", type=float, default=100.0)
    parser.add_argument("--idle-seconds", type=float, default=20.0)
    given = parser.parse_args()
    with (gateways.embedded if given.gateway == "embedded" else gateways.fleet)() as gateway:
        time.sleep(SETTLING)
        memory = gateway.memory_mib()
        by_process = gateway.memory_by_process()
        idle = idle_cpu(gateway, given.idle_seconds)
        uvloop.run(measure(gateway, Shape(20, 1, rest=given.rest_ms / 1000), run=0))
        found = uvloop.run(measure(gateway, Shape(given.count, 1, rest=given.rest_ms / 1000), run=1))
    report = {"memory_mib": memory, "memory_by_process": by_process, "idle_percent_of_a_core": idle}
    print(json.dumps({"gateway": given.gateway, **report, "paced": found}, indent=2))


if __name__ == "__main__":
    main()
