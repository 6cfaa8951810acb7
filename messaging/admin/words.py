"""What lists show of rows that may be gone: a partition is dropped with all its rows."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist

FINE, BAD, WAITING, UNSURE = "success", "danger", "info", "warning"
COLOURS = {
    "SCHEDULED": WAITING,
    "QUEUED": WAITING,
    "SUBMITTING": WAITING,
    "UNCERTAIN": UNSURE,
    "SUBMITTED": WAITING,
    "DELIVERED": FINE,
    "UNDELIVERED": BAD,
    "EXPIRED": BAD,
    "REJECTED": BAD,
    "DELETED": BAD,
    "UNKNOWN": UNSURE,
    "CANCELLED": UNSURE,
    "FAILED": BAD,
    "BLOCKED": BAD,
}


def related(row: Any, *path: str) -> Any:
    """The row at the end of a chain of relations, None where it ends early."""
    for name in path:
        try:
            row = getattr(row, name) if row is not None else None
        except ObjectDoesNotExist:
            return None
    return row
