"""When credentials were last used: noted in memory, written by the batch, never an UPDATE per request."""

import threading
from datetime import datetime

from django.db import models, transaction

from accounts.models import ApiClient, ApiKey, StaffKey
from common.clock import Monotonic, monotonic, utc_now

EVERY_SECONDS = 60.0
CHUNK = 500


class LastUsed:
    """The last use of the rows of one model; `flush` writes each at most once per EVERY_SECONDS."""

    def __init__(self, model: type[models.Model], *, clock: Monotonic = monotonic) -> None:
        self._model, self._clock = model, clock
        self._lock = threading.Lock()
        self._seen: dict[int, datetime] = {}
        self._written: dict[int, float] = {}

    def note(self, row_id: int) -> None:
        """This row is in use now."""
        self._seen[row_id] = utc_now()

    def flush(self) -> int:
        """Write what is due; returns the number of rows. What fails to be written is kept for the next flush."""
        due = self._due()
        ids = sorted(due)
        for start in range(0, len(ids), CHUNK):
            chunk = {row_id: due[row_id] for row_id in ids[start : start + CHUNK]}
            self._write(chunk)
            self._wrote(chunk)
        return len(ids)

    def _due(self) -> dict[int, datetime]:
        limit = self._clock() - EVERY_SECONDS
        return {row: at for row, at in list(self._seen.items()) if self._written.get(row, limit) <= limit}

    def _write(self, chunk: dict[int, datetime]) -> None:
        with transaction.atomic():
            # Rows that another process writes at this moment are as good as written; waiting could deadlock.
            rows = self._model._default_manager.select_for_update(skip_locked=True).only("pk")
            free = list(rows.filter(pk__in=chunk).order_by("pk"))
            for row in free:
                row.last_used_at = chunk[row.pk]  # type: ignore[attr-defined]
            # Without the models' save: nothing in the snapshots depends on it, so no version is bumped.
            self._model._default_manager.bulk_update(free, ["last_used_at"])

    def _wrote(self, chunk: dict[int, datetime]) -> None:
        now = self._clock()
        with self._lock:
            for row_id, at in chunk.items():
                self._written[row_id] = now
                if self._seen.get(row_id) == at:
                    del self._seen[row_id]


# One per process by nature: what this process saw.
keys = LastUsed(ApiKey)
clients = LastUsed(ApiClient)
staff_keys = LastUsed(StaffKey)


def flush_last_used() -> int:
    """Write the last use of keys and clients that this process saw; call it every few seconds, not per request."""
    return keys.flush() + clients.flush() + staff_keys.flush()
