"""`/healthz`: this process lives. `/readyz`: it can serve; asked at most once a second, whoever asks how often."""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor

from common import partitions
from common.clock import monotonic, utc_now

log = structlog.get_logger(__name__)

KEPT_SECONDS: Final = 1.0
PATIENCE: Final = 2.0  # seconds; a probe that hangs is an answer too
OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Report:
    """What each check found. Without database or migrations we cannot serve; without a broker we are slower.

    A month without its partition is loud and no reason to be taken out of service: DEFAULT takes the rows
    (docs/adr/0008). Only when a row of today has no place at all, `rows` fails.
    """

    checks: Mapping[str, str]

    @property
    def status(self) -> str:
        """ready, degraded or unavailable."""
        if any(self.checks.get(name) != OK for name in ("database", "migrations", "rows", "intake")):
            return "unavailable"
        return "ready" if all(found == OK for found in self.checks.values()) else "degraded"

    @property
    def http_status(self) -> int:
        """200 as long as messages are accepted."""
        return 503 if self.status == "unavailable" else 200

    def body(self) -> dict[str, object]:
        """As told to the prober."""
        return {"ok": self.http_status == 200, "status": self.status, "checks": dict(self.checks)}


class Health:
    """Runs the checks in `threads`; one run at a time, its report kept for a second."""

    def __init__(self, threads: Executor, *, intake_open: Callable[[], bool]) -> None:
        self._threads, self._intake_open = threads, intake_open
        self._report = Report({})
        self._until = 0.0
        self._running: asyncio.Future[Report] | None = None

    async def ready(self) -> Report:
        """The present report; a database that does not answer in time is a failed check."""
        if monotonic() < self._until:
            return self._report
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().run_in_executor(self._threads, self._look)
        try:
            self._report = await asyncio.wait_for(asyncio.shield(self._running), PATIENCE)
        except TimeoutError:
            self._report = Report({"database": "no answer in time"})
        self._until = monotonic() + KEPT_SECONDS
        return self._report

    def _look(self) -> Report:
        checks = {"intake": OK if self._intake_open() else "closed", "broker": _broker()}
        close_old_connections()
        try:
            checks["database"] = _ping()
            checks["migrations"] = _migrations()
            checks["rows"] = _rows()
            checks["partitions"] = _partitions()
        except DatabaseError as error:
            log.warning("not_ready", error=str(error))
            connection.close()
            checks["database"] = "unreachable"
        finally:
            close_old_connections()
        return Report(checks)


def _ping() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


# What is applied stays applied while this process lives; the look costs 50 ms.
_applied = False


def _migrations() -> str:
    global _applied
    if not _applied:
        executor = MigrationExecutor(connection)
        _applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return OK if _applied else "not applied"


def _rows() -> str:
    """Whether a row of today has a place in every table."""
    homeless = partitions.homeless(now=utc_now())
    return f"no place in {homeless[0]}" if homeless else OK


def _partitions() -> str:
    missing = partitions.missing_months(now=utc_now())
    if missing:
        log.error("partitions_missing", first=missing[0], count=len(missing))
    return f"missing: {missing[0]}" if missing else OK


def _broker() -> str:
    """Whether something listens at the broker's address; messages are accepted without it."""
    parts = urlsplit(settings.BROKER_URL)
    if parts.scheme == "memory" or not parts.hostname:
        return OK
    started = time.monotonic()
    try:
        socket.create_connection((parts.hostname, parts.port or 5672), timeout=PATIENCE / 2).close()
    except OSError as error:
        log.warning("broker_unreachable", error=str(error), seconds=round(time.monotonic() - started, 2))
        return "unreachable"
    return OK
