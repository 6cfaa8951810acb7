"""How often bad tasks ran: beside what they may by themselves, each fault of a worker or the broker hands them out."""

from bisect import bisect
from collections import Counter, defaultdict
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


def of_one_handing_out(at: Sequence[float], struck: Sequence[Struck]) -> int:
    """The most runs between two moments at which such a fault began or was over."""
    faults = [fault for fault in struck if _hands_out(fault.kind) and not fault.skipped]
    moments = sorted(moment for fault in faults for moment in (fault.at, fault.whole_at))
    return max(Counter(bisect(moments, run) for run in at).values(), default=0)


def _hands_out(kind: str) -> bool:
    return kind.startswith("rabbit-") or kind in _OF_THE_WORKER
