"""The machine beside every figure: processor, versions, how fast it was, and how much of it others took."""

import contextlib
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from bench.processes import ROOT

LOOPS = 2_000_000


class Stolen:
    """Share of the processor time that the host gave to somebody else since it was made (a virtual machine)."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float:
        """0 to 1."""
        now = psutil.cpu_times()
        total = sum(now) - sum(self._before)
        return round((getattr(now, "steal", 0.0) - getattr(self._before, "steal", 0.0)) / total, 3) if total else 0.0


def reference_loop_ms() -> float:
    """CPU milliseconds of two million additions: CPU figures of two reports compare when this does. Best of five."""
    best = float("inf")
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(LOOPS):
            total += number
        best = min(best, time.process_time() - began)
    return round(best * 1000, 1)


def facts(stores: dict[str, str]) -> dict[str, Any]:
    """Processor, cores, memory, versions of Python and of the stores at these URLs."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        **_store_versions(stores),
        "reference_loop_ms": reference_loop_ms(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def commit() -> str:
    """Short id of the commit, `+` behind it when the work tree differs from it; `unknown` outside a repository."""
    head = _git("rev-parse", "--short", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "") if head else "unknown"


def _git(*arguments: str) -> str:
    found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _store_versions(urls: dict[str, str]) -> dict[str, str]:
    import psycopg
    import redis
    from kombu import Connection

    server = urls["DATABASE_URL"].rpartition("/")[0].replace("postgres://", "postgresql://")
    with psycopg.connect(server + "/postgres") as connection:
        settings = [
            f"{name}={connection.execute(f'SHOW {name}').fetchone()[0]}"  # type: ignore[index]
            for name in ("fsync", "synchronous_commit", "shared_buffers")
        ]
        version = connection.info.server_version
    with redis.Redis.from_url(urls["CACHE_URL"]) as store:
        cache = store.info("server")["redis_version"]
    with Connection(urls["BROKER_URL"], connect_timeout=3) as broker:
        broker.connect()
        told = broker.connection.server_properties["version"]
    return {
        "postgresql": f"{version // 10000}.{version % 10000}, {', '.join(settings)}",
        "rabbitmq": str(told),
        "redis": str(cache),
    }
