"""Parts that are sent once more because no receipt came: what counts when the other copy will not go out.

Such a part has `submitted_at`, because a carrier took it once, and an Attempt that keeps that carrier's id
(messaging.failover). It must not end as rejected, failed or expired: the first copy may arrive, or be on the handset.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from common.ids import floor_at, moment
from messaging import status
from messaging.models import Attempt, Status
from messaging.rows import PartRow

NO_RECEIPT = "no_receipt"  # outcome of that Attempt
_WAITING = (Status.QUEUED, Status.SCHEDULED, Status.UNCERTAIN)
_COLUMNS = (
    ("bind_no", "smallint"),
    ("fence", "bigint"),
    ("claimed_at", "timestamptz"),
    ("uncertain_until", "timestamptz"),
    ("send_at", "timestamptz"),
    ("connector_id", "bigint"),
    ("provider_id", "varchar"),
    ("provider_key", "varchar"),
)


def has_one(part: PartRow) -> bool:
    """Whether a carrier took a first copy of a part whose other copy no carrier has taken."""
    return part.submitted_at is not None and part.possible_duplicate and part.status in (*_WAITING, Status.SUBMITTING)


def could_return(part: PartRow) -> bool:
    """Whether its other copy is surely in nobody's hands now."""
    return has_one(part) and part.status in _WAITING


def return_to(parts: Sequence[PartRow]) -> set[UUID]:
    """Make them wait for the receipt of the first copy again, under its carrier's id; the rows follow. Returns the ids.

    The caller holds their locks.
    """
    first = _first(parts)
    changes: dict[UUID, Sequence[Any]] = {
        part_id: (None, None, None, None, None, *row) for part_id, row in first.items()
    }
    moved = status.move(Status.SUBMITTED, changes, columns=_COLUMNS)
    for part in parts:
        if part.id in moved:
            part.status = Status.SUBMITTED
            part.connector_id, part.provider_id, part.provider_key = first[part.id]
    return moved


def _first(parts: Sequence[PartRow]) -> dict[UUID, tuple[int, str, str]]:
    """Connector, id and key of the last try of each part that a carrier took."""
    if not parts:
        return {}
    ids = [part.id for part in parts]
    tried = Attempt.objects.filter(part_id__in=ids, id__gte=floor_at(moment(min(ids))), outcome=NO_RECEIPT)
    rows = tried.order_by("number").values_list("part_id", "connector_id", "provider_id", "provider_key")
    return {part_id: (connector_id, name, key) for part_id, connector_id, name, key in rows}
