"""How often bad tasks ran: beside what they may by themselves, each fault of a worker or the broker hands them out."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.crash.nemesis import Struck

_OF_THE_WORKER = (
    "kill-worker",
    "kill-worker-child",
    "pause-worker",
    "at-line-recorded",
    "at-after-publish-before-delete",
)


def runs(file: Path) -> dict[str, list[float]]:
    """Seconds since 1970 of each run, by the task's id."""
    found: dict[str, list[float]] = defaultdict(list)
    if file.exists():
        for line in file.read_text().splitlines():
            task, at = line.split()
            found[task].append(float(at))
    return dict(found)


def per_handing_out(at: Sequence[float], struck: Sequence[Struck]) -> float:
    """Runs for each time that it was handed out: once, and once more by each such fault between first and last run."""
    again = sum(_hands_out(fault.kind) and fault.at <= max(at) and fault.whole_at >= min(at) for fault in struck)
    return round(len(at) / (1 + again), 1)


def _hands_out(kind: str) -> bool:
    return kind.startswith("rabbit-") or kind in _OF_THE_WORKER
