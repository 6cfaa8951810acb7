"""HTTP in, SMPP out, receipt back, webhook posted: messages a second, latency, CPU, memory, row writes a message.

python -m bench.end_to_end --gateway embedded --count 2000
"""

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from bench import gateways, http_load
from bench.webhook_sink import WebhookSink

STATISTICS_LAG = 11.0  # seconds after which an idle session of PostgreSQL has surely told its counts


def singles(gateway: gateways.Gateway, sink: WebhookSink, count: int, run: int) -> Iterator[bytes]:
    """One message a request, each to a number of its own."""
    headers = {"X-API-Key": gateway.facts["api_key"]}
    for i in range(count):
        message = {
            "to": f"9715{run:02d}{i:06d}",
            "content": f"bench {run}/{i}",
            "dlr_url": f"http://127.0.0.1:{sink.port}/dlr",
        }
        yield http_load.request("/api/v1/messages", json.dumps(message).encode(), headers)


def batches(gateway: gateways.Gateway, sink: WebhookSink, count: int, size: int, run: int) -> Iterator[bytes]:
    """`size` messages a request."""
    headers = {"X-API-Key": gateway.facts["api_key"]}
    numbers = itertools.count()
    for _ in range(count // size):
        messages = [
            {
                "to": f"9716{run:02d}{next(numbers):06d}",
                "content": f"bench batch {run}",
                "dlr_url": f"http://127.0.0.1:{sink.port}/dlr",
            }
            for _ in range(size)
        ]
        yield http_load.request("/api/v1/messages", json.dumps({"messages": messages}).encode(), headers)


async def measure(
    gateway: gateways.Gateway, *, count: int, connections: int, run: int, batch: int = 0
) -> dict[str, Any]:
    """One run: send, then wait for every webhook."""
    async with WebhookSink() as sink:
        source = batches(gateway, sink, count, batch, run) if batch else singles(gateway, sink, count, run)
        cpu_before = gateway.cpu_seconds()
        started = time.perf_counter()
        load = await http_load.send(gateway.port, source, connections=connections)
        await sink.wait_for(count, quiet=20)
        took = (sink.last or time.perf_counter()) - started
        cpu = {name: used - cpu_before[name] for name, used in gateway.cpu_seconds().items()}
    return {
        "count": count,
        "statuses": load.statuses,
        "accepted_per_second": round(count / load.seconds, 1),
        "accept_p50_ms": load.percentile(0.5),
        "accept_p99_ms": load.percentile(0.99),
        "webhooks": len(sink.seen),
        "webhooks_doubled": sum(n > 1 for n in sink.seen.values()),
        "webhook_statuses": sink.statuses,
        "end_to_end_per_second": round(len(sink.seen) / took, 1),
        "cpu_seconds_per_1000": {name: round(used * 1000 / count, 3) for name, used in cpu.items()},
        "memory_mib": gateway.memory_mib(),
        "cpu_seconds_per_1000_in_all": round(sum(u for n, u in cpu.items() if n != "simulator") * 1000 / count, 3),
    }


def writes_per_message(before: dict[str, int], after: dict[str, int], messages: int) -> dict[str, float]:
    """Row writes of each table, and `in all`."""
    counts = {name: n - before.get(name, 0) for name, n in sorted(after.items())}
    found = {name: round(n / messages, 3) for name, n in counts.items() if n}
    return {"in all": round(sum(counts.values()) / messages, 2), **found}


def row_writes(gateway: gateways.Gateway) -> dict[str, int]:
    """Rows inserted, updated and deleted so far (`table +`, `table ~`, `table -`), by PostgreSQL's own statistics;
    monthly partitions count as their table. Nothing without PostgreSQL."""
    url = gateway.stores.get("DATABASE_URL")
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


def main() -> None:
    """Warm up, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", choices=["embedded", "fleet"], default="embedded")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--batch", type=int, default=0, help="Messages a request; 0: one, as an object")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    start = gateways.embedded if arguments.gateway == "embedded" else gateways.fleet
    with start() as gateway:
        shape = {"connections": arguments.connections, "batch": arguments.batch}
        asyncio.run(measure(gateway, count=200, run=0, connections=8))
        writes_before = row_writes(gateway)
        runs = [
            asyncio.run(measure(gateway, count=arguments.count, run=n, **shape)) for n in range(1, arguments.runs + 1)
        ]
        writes = row_writes(gateway)
    middle = sorted(runs, key=lambda run: run["end_to_end_per_second"])[len(runs) // 2]
    report = {"gateway": arguments.gateway, "median": middle, "runs": runs}
    if writes:
        report["row_writes_per_message"] = writes_per_message(writes_before, writes, arguments.count * arguments.runs)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
