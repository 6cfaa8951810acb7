"""HTTP in, SMPP out, receipt back, webhook posted: messages a second, latencies, CPU, memory, row writes a message.

python -m bench.end_to_end --gateway fleet --count 20000 --runs 3
"""

import argparse
import json
import time
from typing import Any

import uvloop

from bench import gateways
from bench.gateways import Carrier, Gateway
from bench.journey import Shape, measure

STATISTICS_LAG = 11.0  # seconds after which an idle session of PostgreSQL has surely told its counts
SETTLING = 3.0  # seconds after the start before memory at rest is read


def writes_per_message(before: dict[str, int], after: dict[str, int], messages: int) -> dict[str, float]:
    """Row writes of each table, and `in all`."""
    counts = {name: n - before.get(name, 0) for name, n in sorted(after.items())}
    found = {name: round(n / messages, 3) for name, n in counts.items() if n}
    return {"in all": round(sum(counts.values()) / messages, 2), **found}


def row_writes(gateway: Gateway) -> dict[str, int]:
    """Rows inserted, updated and deleted so far (`table +`, `table ~`, `table -`), by PostgreSQL's own statistics;
    monthly partitions count as their table. Nothing without PostgreSQL."""
    url = gateway.store_urls.get("DATABASE_URL")
    if not url:
        return {}
    time.sleep(STATISTICS_LAG)
    import psycopg

    query = """
        SELECT regexp_replace(relname, '_([0-9]{4}_?[0-9]{2}|default)$', '') AS name,
               sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables GROUP BY name"""
    with psycopg.connect(url.replace("postgres://", "postgresql://")) as connection:
        rows = connection.execute(query).fetchall()
    return {f"{name} {sign}": int(n) for name, *counts in rows for sign, n in zip("+~-", counts, strict=True)}


def middle(runs: list[dict[str, Any]], key: str = "end_to_end_per_second") -> dict[str, Any]:
    """The run whose `key` is the median (the lower of two)."""
    return sorted(runs, key=lambda run: run[key])[(len(runs) - 1) // 2]


def measured(gateway: Gateway, shape: Shape, *, runs: int, warm_up: int, count_writes: bool) -> dict[str, Any]:
    """Memory at rest, a warm-up, `runs` runs, memory under load, row writes."""
    time.sleep(SETTLING)
    report: dict[str, Any] = {"memory_mib_at_rest": gateway.memory_mib(), "by_process": gateway.memory_by_process()}
    uvloop.run(measure(gateway, Shape(warm_up, shape.connections), run=0))
    before = row_writes(gateway) if count_writes else {}
    found = [uvloop.run(measure(gateway, shape, run=number)) for number in range(1, runs + 1)]
    memory = {**report, "memory_mib_after_load": gateway.memory_mib(), "after_load": gateway.memory_by_process()}
    result = {"median": middle(found), "runs": found, "memory": memory}
    if before:
        result["row_writes_per_message"] = writes_per_message(before, row_writes(gateway), shape.count * runs)
    return result


def main() -> None:
    """Warm up, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", choices=["embedded", "fleet"], default="embedded")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--batch", type=int, default=0, help="messages a request; 0: one, as an object")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=2_000, help="messages before the clock starts")
    parser.add_argument("--no-writes", action="store_true", help="do not count row writes (saves 22 s)")
    parser.add_argument("--carrier", choices=gateways.HARNESS, default="carrier")
    given = parser.parse_args()
    start = gateways.embedded if given.gateway == "embedded" else gateways.fleet
    shape = Shape(given.count, given.connections, given.batch)
    with start(carrier=Carrier(given.carrier)) as gateway:
        report = measured(
            gateway, shape, runs=given.runs, warm_up=min(given.warm_up, given.count), count_writes=not given.no_writes
        )
    print(json.dumps({"gateway": given.gateway, **report}, indent=2))


if __name__ == "__main__":
    main()
