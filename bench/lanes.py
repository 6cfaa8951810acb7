"""One-time passwords beside a backlog of bulk on one connector: `python -m bench.lanes`. Prints JSON.

OTP messages are sent at a steady pace, first while nothing else is there, then while `--bulk` bulk messages wait; each
without a TPS limit and with one. The time from the request's first octet to submit_sm at the carrier is compared
(reliability F20: p99 with the backlog at most twice the idle one). The carrier answers after `--delay-ms`.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench import gateways, http_load, loads
from bench.carrier import ENTRY, read_journal
from bench.gateways import Carrier, Gateway
from bench.http_load import distribution

BULK_RUN = 90  # of bench.loads.numbers; OTP runs count from 1
CONNECTIONS = 2
SETTLED = 4.0  # seconds in which new settings are live and the binds are up again
RECEIPT_MS = 600_000  # none comes while we measure
BOUND = 2.0  # times its idle value that an OTP's p99 may be


def provision(gateway: Gateway, **settings: Any) -> None:
    """Change the connector and wait until its binds follow."""
    gateway.provision({"connectors": [{"name": "smpp1", **settings}]})
    time.sleep(SETTLED)


def passwords(gateway: Gateway, run: int, count: int, rest: float) -> dict[str, Any]:
    """Send `count` OTP messages, `rest` seconds after each answer, and tell when they came to the carrier."""
    requests = list(_requests(gateway, run, count))
    load = uvloop.run(http_load.send(gateway.port, requests, connections=CONNECTIONS, rest=rest))
    time.sleep(1)
    arrived = read_journal(gateway.journal)
    waits = [arrived[n] - at for n, at in zip(loads.numbers(run, count), load.began, strict=True) if n in arrived]
    return {
        "count": count,
        "arrived": len(waits),
        "statuses": load.statuses,
        "accept": distribution(load.latencies),
        "to submit_sm": distribution(waits),
    }


def _requests(gateway: Gateway, run: int, count: int) -> Iterator[bytes]:
    headers = {"X-API-Key": gateway.facts["api_key"]}
    for number, text in zip(loads.numbers(run, count), loads.texts(run), strict=False):
        body = {"to": str(number), "content": text, "traffic_class": "otp", "dlr": False}
        yield http_load.request(loads.PATH, json.dumps(body).encode(), headers)


def backlog(gateway: Gateway, count: int) -> dict[str, Any]:
    """Have `count` bulk messages accepted."""
    headers, texts = {"X-API-Key": gateway.facts["api_key"]}, loads.texts(BULK_RUN)
    every = [
        {"to": str(number), "content": next(texts), "traffic_class": "bulk", "dlr": False}
        for number in loads.numbers(BULK_RUN, count)
    ]
    parts = [every[at : at + 1_000] for at in range(0, count, 1_000)]
    requests = [http_load.request(loads.PATH, json.dumps({"messages": part}).encode(), headers) for part in parts]
    load = uvloop.run(http_load.send(gateway.port, requests, connections=CONNECTIONS))
    return {"count": count, "statuses": load.statuses, "accepted_per_second": round(count / load.seconds)}


def arrivals(journal: Path) -> int:
    """submit_sm at the carrier so far."""
    return journal.stat().st_size // ENTRY.size if journal.exists() else 0


def measure(gateway: Gateway, given: argparse.Namespace) -> dict[str, Any]:
    """Idle without and with a limit, then the same beside the backlog."""
    limits = {"without a limit": 0, "with a limit": given.tps}
    sent, run = 0, 0
    found: dict[str, Any] = {name: {"tps": tps} for name, tps in limits.items()}
    passwords(gateway, 99, 20, given.rest)  # warm
    sent += 20
    for name, tps in limits.items():
        run += 1
        provision(gateway, window=given.window, tps=tps)
        found[name]["idle"] = passwords(gateway, run, given.otp, given.rest)
        sent += given.otp
    provision(gateway, desired="stopped", tps=0)
    found["backlog"] = backlog(gateway, given.bulk)
    provision(gateway, desired="started")
    for name, tps in limits.items():
        run += 1
        provision(gateway, tps=tps)
        began, before = time.monotonic(), arrivals(gateway.journal)
        beside = passwords(gateway, run, given.otp, given.rest)
        after = arrivals(gateway.journal)
        sent += given.otp
        beside["submit_sm_per_second"] = round((after - before) / (time.monotonic() - began), 1)
        beside["bulk_left"] = given.bulk + sent - after
        if beside["bulk_left"] <= 0:
            raise SystemExit("the backlog was gone before the last OTP: give a larger --bulk")
        found[name]["beside bulk"] = beside
        found[name]["p99_ratio"] = _ratio(found[name])
    return found


def _ratio(found: dict[str, Any]) -> float:
    idle, beside = (found[key]["to submit_sm"]["p99_ms"] for key in ("idle", "beside bulk"))
    return round(beside / idle, 2) if idle else 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bulk", type=int, default=100_000)
    parser.add_argument("--otp", type=int, default=300)
    parser.add_argument("--rest", type=float, default=0.1, help="seconds between two of a connection (there are 2)")
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--tps", type=int, default=200)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    given = parser.parse_args()
    with gateways.fleet(carrier=Carrier(delay_ms=given.delay_ms, receipt_ms=RECEIPT_MS)) as gateway:
        print(json.dumps(measure(gateway, given), indent=2))


if __name__ == "__main__":
    main()
