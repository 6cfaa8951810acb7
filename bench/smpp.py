"""SMPP in, SMPP out, receipts back to the customer: `python -m bench.smpp --count 20000 --runs 3`. Prints JSON.

A customer holds `--binds` transceivers and keeps `--window` submit_sm unanswered on each, or sends `--rate` a second;
end to end counts until the last receipt is with him. The fleet of the Procfile on real stores, the neutral carrier.
"""

import argparse
import itertools
import json
import math
import time
from dataclasses import dataclass
from typing import Any

import uvloop

from bench import gateways, loads
from bench.carrier import read_journal
from bench.end_to_end import middle, row_writes, writes_per_message
from bench.gateways import Carrier, Gateway
from bench.http_load import distribution
from bench.journey import Used
from bench.machine import Stolen
from bench.smpp_load import Customer, Login, Seen, frames

SETTLING = 3.0  # seconds after the start before memory at rest is read
MOST_BINDS = 1_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How the customer sends; `rate` 0: as fast as the windows allow."""

    count: int
    binds: int = 4
    window: int = 100
    rate: float = 0.0


def document(window: int, deliver_window: int) -> dict[str, Any]:
    """The demo's client, allowed as many binds as a case may want."""
    client = {"system_id": "demo", "max_binds": MOST_BINDS, "window": window, "deliver_window": deliver_window}
    return {"accounts": [{"name": "demo", "company": "Demo Company", "smpp_clients": [client]}]}


def login(gateway: Gateway) -> Login:
    """The demo's client."""
    facts = gateway.facts["smpp"]
    return Login(int(facts["port"]), facts["system_id"], facts["password"])


async def measure(gateway: Gateway, shape: Shape, *, run: int) -> dict[str, Any]:
    """Bind, send, wait for every receipt."""
    numbers = list(loads.numbers(run, shape.count))
    prepared = frames(numbers, list(itertools.islice(loads.texts(run), shape.count)))
    async with Customer(login(gateway), binds=shape.binds, window=shape.window) as customer:
        used, stolen = Used(gateway), Stolen()
        started = time.perf_counter()
        seen = await customer.send(prepared, rate=shape.rate)
        answered = max(seen.answered)
        await customer.receipts(sum(n for status, n in seen.statuses.items() if not status))
        last = seen.receipts[-1][0] if seen.receipts else time.perf_counter()
        cpu, steal, ended = used.per_1000(shape.count), stolen.share(), len(seen.ended)
    return {
        **_figures(seen, shape, answered - started, last - started),
        "sessions_ended": ended,
        "cpu_seconds_per_1000": cpu,
        "stolen_share": steal,
        **_latencies(gateway, seen, numbers),
    }


def _figures(seen: Seen, shape: Shape, answering: float, took: float) -> dict[str, Any]:
    named = [message_id for _, message_id, _ in seen.read_receipts()]
    return {
        "count": shape.count,
        "statuses": {f"0x{status:x}": n for status, n in seen.statuses.items()},
        "accepted_per_second": round(seen.statuses[0] / answering, 1),
        "receipts": len(set(named)),
        "receipts_doubled": len(named) - len(set(named)),
        "receipts_of_unknown_ids": len(set(named) - set(seen.message_ids.values())),
        "end_to_end_per_second": round(len(set(named)) / took, 1),
    }


def _latencies(gateway: Gateway, seen: Seen, numbers: list[int]) -> dict[str, Any]:
    """From submit_sm to its answer, to submit_sm at the carrier, to the receipt; in milliseconds."""
    began = dict(zip(numbers, seen.began, strict=True))
    answers = [at - began[n] for n, at in zip(numbers, seen.answered, strict=True) if at]
    time.sleep(0.2)  # the carrier flushes its journal every 100 ms
    arrived, last_answer = read_journal(gateway.journal), max(seen.answered)
    told: dict[int, float] = {}
    for at, _, number in seen.read_receipts():
        told.setdefault(number, at)
    return {
        "backlog_at_last_accept": sum(arrived.get(n, math.inf) > last_answer for n in began),
        "latency": {
            "accept": distribution(answers),
            "to submit_sm": distribution([arrived[n] - at for n, at in began.items() if n in arrived]),
            "to receipt": distribution([told[n] - at for n, at in began.items() if n in told]),
        },
    }


def measured(gateway: Gateway, shape: Shape, *, runs: int, warm_up: int, count_writes: bool) -> dict[str, Any]:
    """Memory at rest, a warm-up, `runs` runs, memory under load, row writes."""
    time.sleep(SETTLING)
    memory = {"memory_mib_at_rest": gateway.memory_mib(), "by_process": gateway.memory_by_process()}
    uvloop.run(measure(gateway, Shape(warm_up, shape.binds, shape.window), run=0))
    before = row_writes(gateway) if count_writes else {}
    found = [uvloop.run(measure(gateway, shape, run=number)) for number in range(1, runs + 1)]
    memory |= {"memory_mib_after_load": gateway.memory_mib(), "after_load": gateway.memory_by_process()}
    result = {"median": middle(found), "runs": found, "memory": memory}
    if before:
        result["row_writes_per_message"] = writes_per_message(before, row_writes(gateway), shape.count * runs)
    return result


def main() -> None:
    """Warm up, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--binds", type=int, default=4)
    parser.add_argument("--window", type=int, default=100, help="unanswered submit_sm on each bind")
    parser.add_argument("--deliver-window", type=int, default=100, help="unanswered receipts on each bind")
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: as fast as the windows allow")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=2_000, help="messages before the clock starts")
    parser.add_argument("--no-writes", action="store_true", help="do not count row writes (saves 22 s)")
    given = parser.parse_args()
    shape = Shape(given.count, given.binds, given.window, given.rate)
    with gateways.fleet(document=document(given.window, given.deliver_window), carrier=Carrier()) as gateway:
        report = measured(
            gateway, shape, runs=given.runs, warm_up=min(given.warm_up, given.count), count_writes=not given.no_writes
        )
    print(json.dumps({"shape": {"binds": given.binds, "window": given.window, "rate": given.rate}, **report}, indent=2))


if __name__ == "__main__":
    main()
