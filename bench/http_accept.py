"""How many sends a second the web door accepts: `python -m bench.http_accept [--connections 32] [--count 6000]`.

The web of the Procfile (WEB_WORKERS processes) on PostgreSQL, RabbitMQ and Redis; nothing else runs, so messages are
accepted, charged, committed and announced, not sent. The load generator shares the machine. Prints JSON.
"""

import argparse
import base64
import json
from typing import Any

import uvloop

from bench import gateways, http_load
from bench.end_to_end import middle
from bench.gateways import Gateway
from bench.journey import Used

WARM_UP = 2_000
PATHS = {"key": "/api/v1/http-send", "basic": "/api/v1/http-send", "resource": "/api/v1/messages"}


def main() -> None:
    """Measure each way to send and print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, nargs="*", default=[32, 128])
    options.add_argument("--count", type=int, default=6_000)
    options.add_argument("--runs", type=int, default=1, help="the median is told")
    options.add_argument("--ways", nargs="*", choices=list(PATHS), default=list(PATHS))
    given = options.parse_args()
    with gateways.fleet(only=("web",)) as gateway:
        figures = {
            f"{way}, {connections} connections": middle(
                [measure(gateway, way, connections, given.count) for _ in range(given.runs)], "per_second"
            )
            for connections in given.connections
            for way in given.ways
        }
    print(json.dumps({"figures": figures}, indent=2))


def measure(gateway: Gateway, way: str, connections: int, count: int) -> dict[str, Any]:
    """Send `count` messages after a warm-up."""
    headers = _headers(gateway, way)
    warm = http_load.send(gateway.port, _requests(way, headers, WARM_UP), connections=connections)
    uvloop.run(warm)
    requests = _requests(way, headers, count)
    used = Used(gateway)
    result = uvloop.run(http_load.send(gateway.port, requests, connections=connections))
    cpu = used.per_1000(count)
    return {
        "per_second": round(count / result.seconds),
        "p50_ms": result.percentile(0.5),
        "p99_ms": result.percentile(0.99),
        "statuses": result.statuses,
        "web_cpu_ms_per_request": cpu["ours"]["web"],
        "stores_cpu_ms_per_request": cpu["stores in all"],
        "harness_cpu_ms_per_request": cpu["harness in all"],
    }


def _headers(gateway: Gateway, way: str) -> dict[str, str]:
    if way == "basic":
        pair = f"{gateway.facts['username']}:{gateway.facts['password']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {"X-API-Key": gateway.facts["api_key"]}


def _requests(way: str, headers: dict[str, str], count: int) -> list[bytes]:
    texts = ({"to": f"97150{number:07d}", "content": f"Your code is {number:06d}."} for number in range(count))
    return [http_load.request(PATHS[way], json.dumps(text).encode(), headers) for text in texts]


if __name__ == "__main__":
    main()
