"""Gateways to measure: the embedded process, and the fleet of the Procfile on real stores.

Environment: WEB_WORKERS chooses web processes as it does for an operator, EVENT_WORKERS those of `worker`;
BENCH_DATABASE_URL, BENCH_BROKER_URL and BENCH_CACHE_URL choose the stores (else DATABASE_URL and so on, else the
standard local ports); BENCH_KEEP=1 keeps logs and data.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml
from honcho import environ

from bench import processes
from bench.ports import free_port
from bench.processes import ROOT, Stores, wait_listening

PYTHON = sys.executable
STANDARD = {
    "DATABASE_URL": "postgres://postgres@127.0.0.1:5432/gateway",
    "BROKER_URL": "amqp://guest:guest@127.0.0.1:5672//",
    "CACHE_URL": "redis://127.0.0.1:6379/10",
}
HARNESS = ("carrier", "simulator")  # processes that belong to no gateway
CREDITS = "10000000"


@dataclass(frozen=True, slots=True)
class Carrier:
    """The carrier to measure against: our neutral one, or the simulator; delays in milliseconds."""

    program: str = "carrier"
    delay_ms: float = 0.0
    receipt_ms: float = 50.0

    def command(self, port: str, journal: Path) -> str:
        """What to start."""
        if self.program == "simulator":
            return (
                f"exec python manage.py simulate_smsc --host 127.0.0.1 --port {port} "
                f"--answer-ms {self.delay_ms:g} --delay-ms {self.receipt_ms:g}"
            )
        return (
            f"exec python -m bench.carrier --port {port} --delay-ms {self.delay_ms:g} "
            f"--receipt-ms {self.receipt_ms:g} --journal {journal}"
        )


@dataclass(slots=True)
class Gateway:
    """A running gateway: where it listens, its demo credentials, its processes by name, its stores."""

    port: int
    facts: dict[str, Any]
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    store_urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stores = Stores(self.store_urls)

    _stores: Stores = field(init=False)

    @property
    def ours(self) -> dict[str, int]:
        """Process ids of the gateway itself, by name."""
        return {name: process.pid for name, process in self.processes.items() if name not in HARNESS}

    @property
    def journal(self) -> Path:
        """The carrier's journal of arrivals."""
        return Path(self.environment["GATEWAY_VAR"]) / "arrivals"

    def cpu_seconds(self) -> dict[str, float]:
        """CPU used so far by each process and its children, the carrier included."""
        return {name: processes.cpu_seconds(process.pid) for name, process in self.processes.items()}

    def store_cpu_seconds(self) -> dict[str, float]:
        """CPU used so far by each store."""
        return self._stores.cpu_seconds()

    def memory_mib(self) -> float:
        """Proportional set size of the gateway's processes."""
        return processes.pss_mib(self.ours.values())

    def memory_by_process(self) -> dict[str, float]:
        """The same for each process with its children."""
        return {name: processes.pss_mib([pid]) for name, pid in self.ours.items()}

    def provision(self, document: dict[str, Any]) -> None:
        """Apply a document (docs/provisioning.md)."""
        _provision(self.environment, document)


def _end(_number: int, _frame: Any) -> None:
    raise SystemExit("asked to end")  # so that processes, queues and database go with us


@contextlib.contextmanager
def embedded(carrier: Carrier | None = None) -> Iterator[Gateway]:
    """`run_gateway` on SQLite in a directory of its own."""
    with _place() as environment:
        commands = {
            **_carrier_command(environment, carrier or Carrier()),
            "gateway": "exec python manage.py run_gateway --quiet-webhooks --external-simulator",
        }
        yield from _run(environment, commands, {})


@contextlib.contextmanager
def fleet(
    only: Collection[str] = (),
    *,
    carrier: Carrier | None = None,
    document: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
) -> Iterator[Gateway]:
    """The processes of the Procfile (or `only` those) with a new database of their own; afterwards it is dropped.

    `document` is provisioned after the demo (docs/provisioning.md), its connectors without a port get that of the
    carrier; `variables` are added to the environment.
    """
    with _place() as environment:
        stores = _stores()
        environment |= {
            **stores,
            "SECRET_KEY": "bench",
            "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "GATEWAY_QUEUE_PREFIX": f"bench{os.getpid()}.",
            "OUTBOUND_HTTP_ALLOW": "127.0.0.0/8",
            "COOKIES_SECURE": "0",
            **(variables or {}),
        }
        with _database(stores["DATABASE_URL"]):
            _once(environment, [PYTHON, "manage.py", "migrate", "--verbosity=0"])
            _provision(environment, {"accounts": [{"name": "demo", "company": "Demo Company", "credits": CREDITS}]})
            _once(environment, [PYTHON, "manage.py", "provision_demo"])
            _provision(environment, document)
            commands = procfile(only)
            if not only:
                commands |= _carrier_command(environment, carrier or Carrier())
            try:
                yield from _run(environment, commands, stores)
            finally:
                _delete_leftovers(environment, document)


def procfile(only: Collection[str] = ()) -> dict[str, str]:
    """The commands of the Procfile, so that what is measured is what an operator runs."""
    found = dict(environ.parse_procfile((ROOT / "Procfile").read_text()).processes)
    if count := os.environ.get("EVENT_WORKERS"):
        found["worker"], changed = re.subn(r" -c \d+ ", f" -c {int(count)} ", found["worker"])
        if not changed:
            raise ValueError("EVENT_WORKERS: the worker of the Procfile has no -c")
    return {name: command for name, command in found.items() if not only or name in only}


def store_urls() -> dict[str, str]:
    """The stores that the environment chooses."""
    return {name: os.environ.get(f"BENCH_{name}") or os.environ.get(name) or url for name, url in STANDARD.items()}


def _stores() -> dict[str, str]:
    """The same, with a database name that nobody else has."""
    urls = store_urls()
    parts = urlsplit(urls["DATABASE_URL"])
    urls["DATABASE_URL"] = urlunsplit(parts._replace(path=f"{parts.path}_bench_{os.getpid()}"))
    return urls


def _carrier_command(environment: dict[str, str], carrier: Carrier) -> dict[str, str]:
    journal = Path(environment["GATEWAY_VAR"]) / "arrivals"
    return {carrier.program: carrier.command(environment["GATEWAY_SIMULATOR_PORT"], journal)}


def _provision(environment: dict[str, str], document: dict[str, Any] | None) -> None:
    if not document:
        return
    for connector in document.get("connectors", ()):
        connector.setdefault("port", int(environment["GATEWAY_SIMULATOR_PORT"]))
    path = Path(environment["GATEWAY_VAR"]) / "bench.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    _once(environment, [PYTHON, "manage.py", "provision", str(path)])


def _run(environment: dict[str, str], commands: dict[str, str], stores: dict[str, str]) -> Iterator[Gateway]:
    var = Path(environment["GATEWAY_VAR"])
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (var / f"{name}.log").open("wb") as log:
                # Every command begins with exec, so that the process is the program itself.
                running[name] = subprocess.Popen(
                    ["/bin/sh", "-c", command], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
        _wait_ready(int(environment["GATEWAY_HTTP_PORT"]), running, var)
        if any(name in running for name in HARNESS):
            wait_listening(int(environment["GATEWAY_SIMULATOR_PORT"]), 30)
        facts = json.loads((var / "demo.json").read_text())
        yield Gateway(int(environment["GATEWAY_HTTP_PORT"]), facts, environment, running, stores)
    finally:
        _stop(running)


def _stop(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """The gateway first: the carrier must be there for what drains."""
    for harness in (False, True):
        group = [process for name, process in running.items() if (name in HARNESS) is harness]
        for process in group:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in group:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
            process.wait()


def _wait_ready(port: int, running: dict[str, subprocess.Popen[bytes]], var: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        dead = [name for name, process in running.items() if process.poll() is not None]
        if dead:
            raise RuntimeError(f"{dead[0]} ended:\n" + (var / f"{dead[0]}.log").read_text()[-2000:])
        if _answers(f"http://127.0.0.1:{port}/readyz"):
            return
        time.sleep(0.1)
    raise RuntimeError("not ready after 60 s")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def _place() -> Iterator[dict[str, str]]:
    signal.signal(signal.SIGTERM, _end)
    var = tempfile.mkdtemp(prefix="gateway-bench-")
    clean = {k: v for k, v in os.environ.items() if k not in (*STANDARD, "DJANGO_SETTINGS_MODULE")}
    try:
        yield clean | {
            "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
            "GATEWAY_VAR": var,
            "GATEWAY_HTTP_PORT": str(free_port()),
            "GATEWAY_SIMULATOR_PORT": str(free_port()),
            "GATEWAY_SMPP_PORT": str(free_port()),
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        }
    finally:
        if os.environ.get("BENCH_KEEP"):
            print(f"kept: {var}", file=sys.stderr)
        else:
            shutil.rmtree(var, ignore_errors=True)


def _once(environment: dict[str, str], command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def _database(url: str) -> Iterator[None]:
    import psycopg

    server, _, name = url.rpartition("/")
    with psycopg.connect(server.replace("postgres://", "postgresql://") + "/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield
        finally:
            if not os.environ.get("BENCH_KEEP"):
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _delete_leftovers(environment: dict[str, str], document: dict[str, Any] | None) -> None:
    """Queues and keys with our prefix; AMQP cannot list queues, so they are named."""
    import redis
    from kombu import Connection

    prefix = environment["GATEWAY_QUEUE_PREFIX"]
    connectors = ["smpp1", *(each["name"] for each in (document or {}).get("connectors", ()))]
    work = ("events", "deliveries", "schedule", "campaigns", "housekeeping")
    names = [f"work.{name}" for name in work]
    names += [f"submit_{name}{lane}" for name in connectors for lane in ("", ".otp", ".bulk")]
    with Connection(environment["BROKER_URL"], connect_timeout=3) as connection, connection.channel() as channel:
        for name in names:
            channel.queue_delete(prefix + name)
    with redis.Redis.from_url(environment["CACHE_URL"]) as store:
        for key in store.scan_iter(f"{prefix}*", count=1_000):
            store.delete(key)
