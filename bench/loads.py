"""The requests of the cases, as octets that are ready before the clock starts.

Every destination is used once in a gateway's life. Texts have 20 to 150 characters, drawn with BENCH_SEED (1).
"""

import json
import os
import random
from collections.abc import Iterator

from bench import http_load
from bench.gateways import Gateway

PATH = "/api/v1/messages"
SPREAD_PREFIX = "9715"
SPREAD_FIRST = 50  # the first of the two digits by which spread destinations are routed
_WORDS = "Your code for the parcel at our counter is waiting and it will be kept until the end of the coming week. " * 2


def seed() -> int:
    """What the texts are drawn with."""
    return int(os.environ.get("BENCH_SEED", "1"))


def spread_prefix(nth: int) -> str:
    """The prefix of the destinations of the `nth` connector of a spread load."""
    return f"{SPREAD_PREFIX}{SPREAD_FIRST + nth:02d}"


def numbers(run: int, count: int, spread: int = 0) -> Iterator[int]:
    """`count` destinations of run `run` (below 10 with `spread`), which no other run has; with `spread` so many
    prefixes take turns."""
    if not spread:
        first = int(f"9715{run:02d}000000")
        return iter(range(first, first + count))
    return (int(f"{spread_prefix(i % spread)}{run:d}{i // spread:05d}") for i in range(count))


def singles(gateway: Gateway, sink_port: int, count: int, run: int, spread: int = 0) -> list[bytes]:
    """One message a request."""
    headers, drawn = {"X-API-Key": gateway.facts["api_key"]}, texts(run)
    return [
        http_load.request(PATH, json.dumps(_message(number, next(drawn), sink_port)).encode(), headers)
        for number in numbers(run, count, spread)
    ]


def batches(gateway: Gateway, sink_port: int, count: int, size: int, run: int) -> list[bytes]:
    """`size` messages a request, the last may hold fewer."""
    headers, drawn = {"X-API-Key": gateway.facts["api_key"]}, texts(run)
    every = [_message(number, next(drawn), sink_port) for number in numbers(run, count)]
    parts = (every[at : at + size] for at in range(0, count, size))
    return [http_load.request(PATH, json.dumps({"messages": part}).encode(), headers) for part in parts]


def texts(run: int) -> Iterator[str]:
    """The texts of a run, without end."""
    dice = random.Random(f"{seed()}/{run}")
    while True:
        yield _WORDS[: dice.randint(20, 150)].strip()


def _message(number: int, text: str, sink_port: int) -> dict[str, str]:
    return {"to": str(number), "content": text, "dlr_url": f"http://127.0.0.1:{sink_port}/dlr"}
