"""How fast one bind drains a backlog while the carrier answers after 50 ms: `python -m bench.one_bind`. Prints JSON.

The connector is stopped while the messages are accepted, then started. The carrier's journal tells when each
submit_sm came; the rate is that between the first and the last twentieth. Window and delay allow window / delay.
Receipts come after `--receipt-ms`: the default lets the bind work alone, 50 brings receipts into the drain.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import uvloop

from bench import gateways, http_load, loads
from bench.carrier import ENTRY
from bench.gateways import Carrier, Gateway
from bench.journey import Used

QUIET = 20.0  # seconds without a submit_sm after which the drain is over
NO_SINK = 9  # discard: nobody listens there, and with dlr false nobody is told


def connector(window: int, desired: str) -> dict[str, Any]:
    """The document that makes smpp1 so."""
    return {"connectors": [{"name": "smpp1", "window": window, "desired": desired}]}


def drain(gateway: Gateway, count: int, window: int) -> dict[str, Any]:
    """Accept `count` with the connector stopped, start it, and watch the journal."""
    gateway.provision(connector(window, "stopped"))
    time.sleep(5)  # live in every process within two seconds; the bind says good-bye
    requests = loads.batches(gateway, NO_SINK, count, 1_000, 1)
    load = uvloop.run(http_load.send(gateway.port, requests, connections=2))
    gateway.provision(connector(window, "started"))
    used = Used(gateway)
    times = _watch(gateway.journal, count)
    cpu = used.per_1000(count)
    return {
        "count": count,
        "arrived": len(times),
        "accepted": load.statuses,
        "accepted_per_second": round(count / load.seconds),
        "submit_sm_per_second": rate(times),
        "cpu_seconds_per_1000": cpu,
    }


def rate(times: list[float]) -> float:
    """Arrivals a second between the first and the last twentieth."""
    ordered = sorted(times)
    cut = len(ordered) // 20
    inner = ordered[cut : len(ordered) - cut]
    return round((len(inner) - 1) / (inner[-1] - inner[0]), 1) if len(inner) > 1 and inner[-1] > inner[0] else 0.0


def _watch(journal: Path, count: int) -> list[float]:
    seen, since = 0, time.monotonic()
    while seen < count and time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = journal.stat().st_size // ENTRY.size
        if now != seen:
            seen, since = now, time.monotonic()
    data = journal.read_bytes()
    return [at for _, at in ENTRY.iter_unpack(data[: seen * ENTRY.size])]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--window", type=int, default=200)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--receipt-ms", type=float, default=120_000.0)
    given = parser.parse_args()
    carrier = Carrier(delay_ms=given.delay_ms, receipt_ms=given.receipt_ms)
    with gateways.fleet(carrier=carrier) as gateway:
        found = drain(gateway, given.count, given.window)
    found["window_allows_per_second"] = round(given.window / given.delay_ms * 1000) if given.delay_ms else None
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
