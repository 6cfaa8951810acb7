"""One measured run: send, wait for every webhook, and say what it took."""

import math
import time
from dataclasses import dataclass
from typing import Any

from bench import loads
from bench.carrier import read_journal
from bench.gateways import HARNESS, Gateway
from bench.http_load import LoadResult, distribution, percentile, send
from bench.machine import Stolen
from bench.processes import own_cpu
from bench.webhook_sink import WebhookSink

QUIET = 20.0  # seconds without a webhook after which a run is over


@dataclass(frozen=True, slots=True)
class Shape:
    """How a run sends: `batch` messages a request (0: one, as an object); `rest` seconds after each answer; `spread`
    over so many prefixes (0: one, the default route)."""

    count: int
    connections: int = 32
    batch: int = 0
    rest: float = 0.0
    spread: int = 0


@dataclass(slots=True)
class Used:
    """CPU seconds since it was made, by our processes, the stores and the harness."""

    gateway: Gateway

    def __post_init__(self) -> None:
        self._before = self._now()

    _before: dict[str, dict[str, float]] = None  # type: ignore[assignment]

    def _now(self) -> dict[str, dict[str, float]]:
        processes = self.gateway.cpu_seconds()
        harness = {name: processes.pop(name) for name in HARNESS if name in processes}
        return {
            "ours": processes,
            "stores": self.gateway.store_cpu_seconds(),
            "harness": {**harness, "load and webhook sink": own_cpu()},
        }

    def per_1000(self, count: int) -> dict[str, Any]:
        """CPU seconds per 1,000 messages: by process, by store, `ours and stores` together, the harness apart."""
        now = self._now()
        groups = {
            group: {name: (used - self._before[group].get(name, 0.0)) * 1000 / count for name, used in members.items()}
            for group, members in now.items()
        }
        sums = {group: sum(members.values()) for group, members in groups.items()}
        return {
            **{group: {name: round(used, 3) for name, used in members.items()} for group, members in groups.items()},
            "ours in all": round(sums["ours"], 3),
            "stores in all": round(sums["stores"], 3),
            "harness in all": round(sums["harness"], 3),
            "ours and stores": round(sums["ours"] + sums["stores"], 3),
        }


async def measure(gateway: Gateway, shape: Shape, *, run: int, quiet: float = QUIET) -> dict[str, Any]:
    """Send by `shape` and wait until every webhook came, or none for `quiet` seconds."""
    async with WebhookSink() as sink:
        if shape.batch:
            requests = loads.batches(gateway, sink.port, shape.count, shape.batch, run)
        else:
            requests = loads.singles(gateway, sink.port, shape.count, run, shape.spread)
        used, stolen = Used(gateway), Stolen()
        started = time.perf_counter()
        load = await send(gateway.port, requests, connections=shape.connections, rest=shape.rest)
        await sink.wait_for(shape.count, quiet=quiet)
        took = (sink.last or time.perf_counter()) - started
        cpu, steal = used.per_1000(shape.count), stolen.share()
    return {
        **_figures(shape, load, sink, took),
        "cpu_seconds_per_1000": cpu,
        "stolen_share": steal,
        **_latencies(gateway, shape, load, sink, run),
    }


def _figures(shape: Shape, load: LoadResult, sink: WebhookSink, took: float) -> dict[str, Any]:
    return {
        "count": shape.count,
        "statuses": load.statuses,
        "accepted_per_second": round(shape.count / load.seconds, 1),
        "accept_p50_ms": percentile(load.latencies, 0.5),
        "accept_p99_ms": percentile(load.latencies, 0.99),
        "webhooks": len(sink.seen),
        "webhooks_doubled": sum(n > 1 for n in sink.seen.values()),
        "webhook_statuses": sink.statuses,
        "end_to_end_per_second": round(len(sink.seen) / took, 1),
    }


def _latencies(gateway: Gateway, shape: Shape, load: LoadResult, sink: WebhookSink, run: int) -> dict[str, Any]:
    """From the request's first octet to the answer, to submit_sm at the carrier, to the webhook; in milliseconds."""
    size = shape.batch or 1
    began = {number: load.began[i // size] for i, number in enumerate(loads.numbers(run, shape.count, shape.spread))}
    found: dict[str, Any] = {"accept": distribution(load.latencies)}
    if gateway.journal.exists():
        time.sleep(0.2)  # the carrier flushes every 100 ms
        arrived = read_journal(gateway.journal)
        last_accept = max(map(sum, zip(load.began, load.latencies, strict=True)))
        found["backlog at the last accept"] = sum(arrived.get(n, math.inf) > last_accept for n in began)
        found["to submit_sm"] = distribution([arrived[n] - at for n, at in began.items() if n in arrived])
    posted: dict[int, float] = {}
    for receipt, at in zip(sink.receipts, sink.times, strict=True):
        posted.setdefault(int(receipt["to"]), at)
    found["to webhook"] = distribution([posted[n] - at for n, at in began.items() if n in posted])
    return {"backlog_at_last_accept": found.pop("backlog at the last accept", None), "latency": found}
