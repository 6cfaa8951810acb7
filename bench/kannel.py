"""The yardstick: Kannel on the same machine, the same carrier and load. `python -m bench.kannel --count 20000 --runs 3`

Needs bearerbox and smsbox (Debian package kannel) and redis-server. HTTP sendsms in, SMPP out (window 100), receipt
back, dlr-url called. Receipts are mapped in Redis (`--storage redis`, a server of its own without persistence) or in
Kannel's memory (`internal`). Kannel keeps nothing on the disk here, neither messages nor receipts. Prints JSON.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import uvloop

from bench import loads
from bench.end_to_end import middle
from bench.http_load import percentile, send
from bench.machine import Stolen
from bench.ports import free_port
from bench.processes import ROOT, cpu_seconds, own_cpu, pss_mib, wait_listening
from bench.webhook_sink import WebhookSink

WINDOW = 100
QUIET = 20.0  # seconds without a receipt after which a run is over
_CORE = """group = core
admin-port = {admin}
admin-password = bench
smsbox-port = {smsbox}
box-allow-ip = 127.0.0.1
log-file = {place}/bearerbox.log
log-level = 2
dlr-storage = {storage}

group = smsc
smsc = smpp
smsc-id = bench
host = 127.0.0.1
port = {carrier}
transceiver-mode = true
smsc-username = bench
smsc-password = bench
system-type = ""
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
global-sender = bench
http-request-retry = 3
max-pending-requests = 512
log-file = {place}/smsbox.log
log-level = 2

group = sendsms-user
username = bench
password = bench
concatenation = true
max-messages = 10
"""
_REDIS = """
group = redis-connection
id = receipts
host = 127.0.0.1
port = {redis}
max-connections = 5

group = dlr-db
id = receipts
table = dlr
ttl = 3600
field-smsc = smsc
field-timestamp = ts
field-source = source
field-destination = destination
field-service = service
field-url = url
field-mask = mask
field-status = status
field-boxc-id = boxc_id
"""


@contextlib.contextmanager
def kannel(storage: str) -> Iterator[tuple[int, dict[str, int]]]:
    """Carrier, bearerbox and smsbox; yields the HTTP port and the processes' ids by name."""
    ports = {name: free_port() for name in ("admin", "smsbox", "carrier", "http", "redis")}
    place = Path(tempfile.mkdtemp(prefix="bench-kannel-"))
    text = _CORE + (_REDIS if storage == "redis" else "")
    (place / "kannel.conf").write_text(text.format(**ports, place=place, storage=storage, window=WINDOW))
    carrier = [sys.executable, "-m", "bench.carrier", "--port", str(ports["carrier"])]
    redis = ["redis-server", "--port", str(ports["redis"]), "--save", "", "--appendonly", "no"]
    commands = {
        **({"redis": (redis, ports["redis"])} if storage == "redis" else {}),
        "carrier": (carrier, ports["carrier"]),
        "bearerbox": (["bearerbox", str(place / "kannel.conf")], ports["smsbox"]),
        "smsbox": (["smsbox", str(place / "kannel.conf")], ports["http"]),
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, (command, port) in commands.items():
            running[name] = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait_listening(port, 20)
        yield ports["http"], {name: process.pid for name, process in running.items()}
    finally:
        for process in reversed(running.values()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        shutil.rmtree(place, ignore_errors=True)


def requests(sink_port: int, count: int, run: int) -> list[bytes]:
    """The messages of `loads.singles`, as Kannel wants them."""
    texts = loads.texts(run)
    dlr = quote(f"http://127.0.0.1:{sink_port}/dlr", safe="")
    login = urlencode({"username": "bench", "password": "bench", "dlr-mask": 3})
    return [
        f"GET /cgi-bin/sendsms?{login}&dlr-url={dlr}&{urlencode({'to': number, 'text': next(texts)})} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\n\r\n".encode()
        for number in loads.numbers(run, count)
    ]


async def measure(port: int, pids: dict[str, int], *, count: int, connections: int, run: int) -> dict[str, Any]:
    """One run; `ours` of the other cases is `kannel` here."""
    async with WebhookSink() as sink:
        prepared = requests(sink.port, count, run)
        before, own, stolen = {n: cpu_seconds(pid) for n, pid in pids.items()}, own_cpu(), Stolen()
        started = time.perf_counter()
        load = await send(port, prepared, connections=connections)
        await sink.wait_for_posts(count, quiet=QUIET)
        took = (sink.last or time.perf_counter()) - started
        used = {name: round((cpu_seconds(pid) - before[name]) * 1000 / count, 3) for name, pid in pids.items()}
        used["load and webhook sink"] = round((own_cpu() - own) * 1000 / count, 3)
    return {
        "count": count,
        "statuses": load.statuses,
        "accepted_per_second": round(count / load.seconds, 1),
        "accept_p50_ms": percentile(load.latencies, 0.5),
        "accept_p99_ms": percentile(load.latencies, 0.99),
        "webhooks": len(sink.times),
        "end_to_end_per_second": round(len(sink.times) / took, 1),
        "cpu_seconds_per_1000": used,
        "stolen_share": stolen.share(),
    }


def main() -> None:
    """Warm up, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--storage", choices=["redis", "internal"], default="redis")
    given = parser.parse_args()
    if not shutil.which("bearerbox"):
        parser.error("bearerbox is not installed (Debian package kannel)")
    with kannel(given.storage) as (port, pids):
        uvloop.run(measure(port, pids, count=min(2_000, given.count), connections=given.connections, run=0))
        shape = {"count": given.count, "connections": given.connections}
        runs = [uvloop.run(measure(port, pids, run=number, **shape)) for number in range(1, given.runs + 1)]
        memory = pss_mib(pids[name] for name in ("bearerbox", "smsbox"))
    print(json.dumps({"storage": given.storage, "median": middle(runs), "runs": runs, "memory_mib": memory}, indent=2))


if __name__ == "__main__":
    main()
