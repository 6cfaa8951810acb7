"""What processes use: CPU and proportional memory of ours, CPU of the stores, ports, waiting for them."""

import contextlib
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).resolve().parent.parent
STORE_PROGRAMS = {"DATABASE_URL": "postgres", "BROKER_URL": "beam.smp", "CACHE_URL": "redis-server"}
STORE_NAMES = {"DATABASE_URL": "postgresql", "BROKER_URL": "rabbitmq", "CACHE_URL": "redis"}
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


def wait_listening(port: int, seconds: float) -> None:
    """Until something listens on this port of 127.0.0.1; raises TimeoutError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port} after {seconds:g} s")


def family(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    with contextlib.suppress(*_GONE):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def cpu_seconds(pid: int) -> float:
    """CPU used so far by a process, its descendants, and those of its children that have ended."""
    return sum(_used(process) for process in family(pid))


def _used(process: psutil.Process) -> float:
    with contextlib.suppress(*_GONE):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional set size of these processes and their descendants together."""
    total = 0
    for process in {member for pid in pids for member in family(pid)}:
        with contextlib.suppress(*_GONE):
            total += process.memory_full_info().pss
    return round(total / 2**20, 1)


class Stores:
    """The stores of `urls` as far as they run on this machine; found by the port on which they listen, else by name.

    They may serve others as well: CPU of PostgreSQL counts the backends of our database and the helpers of the
    server, that of RabbitMQ and Redis everything. So measure while nobody else uses them.
    """

    def __init__(self, urls: dict[str, str]) -> None:
        self._roots: dict[str, int] = {}
        self._database = urlsplit(urls.get("DATABASE_URL", "")).path.strip("/")
        listening = _listening() if urls else {}
        for variable, url in urls.items():
            pid = listening.get(urlsplit(url).port or 0) or _named(STORE_PROGRAMS[variable])
            if pid:
                self._roots[STORE_NAMES[variable]] = pid

    def cpu_seconds(self) -> dict[str, float]:
        """CPU used so far by each store."""
        return {name: self._cpu(name, pid) for name, pid in self._roots.items()}

    def _cpu(self, name: str, pid: int) -> float:
        if name != "postgresql":
            return cpu_seconds(pid)
        return sum(_used(process) for process in family(pid) if self._ours(process))

    def _ours(self, process: psutil.Process) -> bool:
        """A backend's title is `postgres: cluster: user database address(port) what`; a helper's has no address."""
        with contextlib.suppress(*_GONE):
            words = " ".join(process.cmdline()).split()
            backend = any("(" in word or word == "[local]" for word in words)
            return not backend or self._database in words
        return False


def _listening() -> dict[int, int]:
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return {}
    return {each.laddr.port: each.pid for each in found if each.status == psutil.CONN_LISTEN and each.pid}


def _named(program: str) -> int | None:
    """The oldest process of this program."""
    pids = [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == program]
    return min(pids, default=None)


def own_cpu() -> float:
    """CPU used so far by this process: load generator and webhook receiver."""
    times = os.times()
    return times.user + times.system
