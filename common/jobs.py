"""Work for later, asked for by name: the domain knows the job, only `workers` knows Celery.

A job is a hint like every message: what it works on is rows, and a sweep finds rows that no job came for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction

from common.bus import publisher
from common.clock import utc_now
from common.queues import Work, work_queue


@dataclass(frozen=True, slots=True)
class Job:
    """A task's name and the queue whose workers run it."""

    name: str
    queue: Work


_recorded: list[list[tuple[Job, dict[str, Any]]]] = []


def enqueue(job: Job, **arguments: Any) -> None:
    """Ask for `job` once the present transaction has committed; arguments are JSON values (ids or one batch)."""
    transaction.on_commit(lambda: publish(job, arguments))


def publish(job: Job, arguments: dict[str, Any] | None = None, *, expires: float | None = None) -> None:
    """Ask for `job` now, without a transaction; nobody runs it more than `expires` seconds later."""
    arguments = arguments or {}
    if _recorded:
        _recorded[-1].append((job, arguments))
        return
    task_id = str(uuid4())
    body = [[], arguments, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    publisher().publish(
        work_queue(job.queue), body, headers=_headers(job, task_id, expires), properties={"correlation_id": task_id}
    )


def _headers(job: Job, task_id: str, expires: float | None) -> dict[str, Any]:
    """Celery message protocol, version 2."""
    until = None if expires is None else (utc_now() + timedelta(seconds=expires)).isoformat()
    return {
        "lang": "py",
        "task": job.name,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "eta": None,
        "expires": until,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "",
        "ignore_result": True,
    }


@contextmanager
def recorder() -> Iterator[list[tuple[Job, dict[str, Any]]]]:
    """Collect the jobs asked for instead of publishing them; for tests."""
    jobs: list[tuple[Job, dict[str, Any]]] = []
    _recorded.append(jobs)
    try:
        yield jobs
    finally:
        _recorded.remove(jobs)
