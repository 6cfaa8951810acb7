"""Memory and CPU of the SMPP server with many idle binds: `python -m bench.held_binds --binds 500`. Prints JSON."""

import argparse
import asyncio
import json
import time
from typing import Any

import psutil
import uvloop

from bench import gateways, smpp
from bench.gateways import Gateway
from bench.processes import cpu_seconds, pss_mib
from bench.smpp_load import Customer

SERVER = "smpp"  # its name in the Procfile
A_HOST = 100  # binds from one address: the server counts connections per address
SETTLING = 3.0  # seconds before memory is read


async def hold(gateway: Gateway, binds: int, seconds: float) -> dict[str, Any]:
    """Bind, do nothing but answer enquire_link, and read what the server uses."""
    pid = gateway.ours[SERVER]
    before, began = _memory(pid), time.perf_counter()
    customers = [
        Customer(smpp.login(gateway), binds=min(A_HOST, binds - at), window=10, address=f"127.0.0.{2 + at // A_HOST}")
        for at in range(0, binds, A_HOST)
    ]
    for customer in customers:
        await customer.__aenter__()
    took = time.perf_counter() - began
    await asyncio.sleep(SETTLING)
    used, started = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    percent = (cpu_seconds(pid) - used) / (time.perf_counter() - started) * 100
    found = {
        "binds": binds,
        "still_bound": binds - sum(len(customer.seen.ended) for customer in customers),
        "binding_seconds": round(took, 2),
        "server_mib_before": before,
        "server_mib_with_binds": _memory(pid),
        "percent_of_a_core": round(percent, 2),
    }
    for customer in customers:
        await customer.__aexit__()
    return found


def _memory(pid: int) -> dict[str, float]:
    return {"rss": round(psutil.Process(pid).memory_info().rss / 2**20, 1), "pss": pss_mib([pid])}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binds", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=40.0, help="watched; an enquire_link comes after 30")
    given = parser.parse_args()
    with gateways.fleet(document=smpp.document(100, 10)) as gateway:
        time.sleep(SETTLING)
        found = uvloop.run(hold(gateway, given.binds, given.seconds))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
