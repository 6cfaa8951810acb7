"""Gateways to measure, as processes of their own: the embedded one, and the fleet on real stores."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
STORES = {
    "DATABASE_URL": os.environ.get("BENCH_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/gateway_bench"),
    "BROKER_URL": os.environ.get("BENCH_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//"),
    "CACHE_URL": os.environ.get("BENCH_CACHE_URL", "redis://127.0.0.1:6379/10"),
}


@dataclass(slots=True)
class Gateway:
    """A running gateway: where it listens, its demo credentials, its processes by name."""

    port: int
    facts: dict[str, Any]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    stores: dict[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> dict[str, float]:
        """CPU used so far by each process and its children."""
        return {name: _cpu(process.pid) for name, process in self.processes.items()}

    def memory_mib(self) -> float:
        """Proportional set size of all processes."""
        pids = {child for process in self.processes.values() for child in _family(process.pid)}
        return round(sum(_pss(pid) for pid in pids) / 2**20, 1)


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def embedded() -> Iterator[Gateway]:
    """`run_gateway` on SQLite in a directory of its own."""
    with _place() as environment:
        yield from _run(environment, {"gateway": [PYTHON, "manage.py", "run_gateway", "--quiet-webhooks"]}, {})


@contextlib.contextmanager
def fleet(only: Collection[str] = ()) -> Iterator[Gateway]:
    """Every part (or `only` those) a process of its own on PostgreSQL, RabbitMQ and Redis; the database is new."""
    with _place() as environment:
        environment |= STORES | {
            "SECRET_KEY": "bench",
            "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "GATEWAY_QUEUE_PREFIX": f"bench{os.getpid()}.",
            "OUTBOUND_HTTP_ALLOW": "127.0.0.0/8",
            "COOKIES_SECURE": "0",
        }
        _fresh_database(STORES["DATABASE_URL"])
        _once(environment, [PYTHON, "manage.py", "migrate", "--verbosity=0"])
        _once(environment, [PYTHON, "manage.py", "provision_demo"])
        commands = {name: command for name, command in _commands(environment).items() if not only or name in only}
        yield from _run(environment, commands, STORES)


def _commands(environment: dict[str, str]) -> dict[str, list[str]]:
    bin_ = Path(PYTHON).parent
    celery = [str(bin_ / "celery"), "-A", "gateway_project", "worker", "--without-gossip", "--without-mingle"]
    prefix = environment["GATEWAY_QUEUE_PREFIX"]
    web = ["--workers", os.environ.get("WEB_WORKERS", "1"), "--max-requests", "0", "--log-level", "warning"]
    return {
        "simulator": [
            PYTHON, "manage.py", "simulate_smsc",
            "--host", "127.0.0.1", "--port", environment["GATEWAY_SIMULATOR_PORT"],
        ],
        "web": [
            str(bin_ / "gunicorn"), "gateway_project.asgi:application", "-k", "common.http_server.Worker",
            "--bind", f"127.0.0.1:{environment['GATEWAY_HTTP_PORT']}", "--no-control-socket", *web,
        ],
        "worker": [
            *celery, "-c", "1", "-n", "events@%h",
            "-Q", ",".join(f"{prefix}work.{q}" for q in ("events", "schedule", "campaigns", "housekeeping")),
        ],
        "deliveries": [*celery, "-P", "threads", "-c", "2", "-n", "deliveries@%h", "-Q", f"{prefix}work.deliveries"],
        "beat": [str(bin_ / "celery"), "-A", "gateway_project", "beat", "-S", "celery.beat:Scheduler"],
        "binds": [PYTHON, "manage.py", "run_binds"],
    }  # fmt: skip


def _run(environment: dict[str, str], commands: dict[str, list[str]], stores: dict[str, str]) -> Iterator[Gateway]:
    var = Path(environment["GATEWAY_VAR"])
    logs = {name: (var / f"{name}.log").open("wb") for name in commands}
    processes = {
        name: subprocess.Popen(command, cwd=ROOT, env=environment, stdout=logs[name], stderr=logs[name])
        for name, command in commands.items()
    }
    try:
        _wait_ready(int(environment["GATEWAY_HTTP_PORT"]), processes, var)
        facts = json.loads((var / "demo.json").read_text())
        yield Gateway(int(environment["GATEWAY_HTTP_PORT"]), facts, processes, stores)
    finally:
        for process in reversed(processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()


def _wait_ready(port: int, processes: dict[str, subprocess.Popen[bytes]], var: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        dead = [name for name, process in processes.items() if process.poll() is not None]
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
    var = tempfile.mkdtemp(prefix="gateway-bench-")
    clean = {k: v for k, v in os.environ.items() if k not in (*STORES, "DJANGO_SETTINGS_MODULE")}
    try:
        yield clean | {
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


def _fresh_database(url: str) -> None:
    import psycopg

    server, _, name = url.rpartition("/")
    with psycopg.connect(server.replace("postgres://", "postgresql://") + "/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _cpu(pid: int) -> float:
    total = 0.0
    for member in _family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(member).cpu_times()
            total += times.user + times.system
    return total


def _pss(pid: int) -> int:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return int(psutil.Process(pid).memory_full_info().pss)
    return 0
