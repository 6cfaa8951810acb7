"""The requests of the cases, as octets that are ready before the clock starts; every number is used once."""

import json
from collections.abc import Iterator

from bench import http_load
from bench.gateways import Gateway

PATH = "/api/v1/messages"


def numbers(run: int, count: int, *, prefix: str = "9715") -> Iterator[int]:
    """`count` destinations of run `run`, which no other run has."""
    first = int(f"{prefix}{run:02d}000000")
    return iter(range(first, first + count))


def singles(gateway: Gateway, sink_port: int, count: int, run: int) -> list[bytes]:
    """One message a request."""
    headers = {"X-API-Key": gateway.facts["api_key"]}
    return [
        http_load.request(PATH, json.dumps(_message(number, sink_port)).encode(), headers)
        for number in numbers(run, count)
    ]


def batches(gateway: Gateway, sink_port: int, count: int, size: int, run: int) -> list[bytes]:
    """`size` messages a request, the last may hold fewer."""
    headers = {"X-API-Key": gateway.facts["api_key"]}
    every = [_message(number, sink_port) for number in numbers(run, count)]
    parts = (every[at : at + size] for at in range(0, count, size))
    return [http_load.request(PATH, json.dumps({"messages": part}).encode(), headers) for part in parts]


def _message(number: int, sink_port: int) -> dict[str, str]:
    return {"to": str(number), "content": f"bench {number}", "dlr_url": f"http://127.0.0.1:{sink_port}/dlr"}
