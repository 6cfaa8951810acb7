"""What binds say of themselves, and the rows in which people read it."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from common.clock import utc_now
from connectors.models import BindState
from messaging.rows import database_now
from smpp.constants import status_name

STANDBY = "standby"  # somebody else holds the lease; his report counts


@dataclass(slots=True)
class Report:
    """State (standby, connecting, bound, waiting, refused, stopped) and figures of one bind."""

    state: str = STANDBY
    since: datetime | None = None
    host: str = ""
    last_error: str = ""
    bind_status: int | None = None  # command_status of the last answer to a bind
    next_try: float = 0.0  # monotonic seconds
    submitted: int = 0
    last_submit: datetime | None = None
    last_receipt: datetime | None = None
    answers: Counter[int] = field(default_factory=Counter)  # by command_status, since they were last taken

    def say(self, state: str, error: str = "", retry_in: float = 0.0) -> None:
        """Now it is so."""
        if self.state != state:
            self.state, self.since = state, utc_now()
        if error:
            self.last_error = error[:300]
        self.next_try = time.monotonic() + retry_in if retry_in else 0.0

    def refused(self, status: int, times: int, retry_in: float) -> None:
        """The carrier does not take our credentials, by what all binds together have heard."""
        self.bind_status = status
        self.say("refused", f"bind refused: {status_name(status)}, {times} times in a row", retry_in)

    def take_answers(self) -> Counter[int]:
        """What was answered since the last look."""
        taken, self.answers = self.answers, Counter()
        return taken


def row(report: Report, *, connector_id: int, bind_no: int, **figures: Any) -> BindState:
    """The report as it is kept; `figures` are further columns."""
    wait, now = report.next_try - time.monotonic(), utc_now()
    return BindState(
        connector_id=connector_id,
        bind_no=bind_no,
        state=report.state,
        since=report.since,
        host=report.host,
        last_error=report.last_error,
        bind_status=report.bind_status,
        next_try_at=now + timedelta(seconds=wait) if wait > 0 else None,
        submitted=report.submitted,
        last_submit_at=report.last_submit,
        last_receipt_at=report.last_receipt,
        updated_at=now,
        **figures,
    )


BOUND = "bound"
_FIELDS = [f.name for f in BindState._meta.concrete_fields if f.name not in ("id", "connector", "bind_no", "bound_at")]


def write(rows: Iterable[BindState]) -> None:
    """Keep the reports; one that only stands by does not overwrite what the owner says."""
    listed = list(rows)
    BindState.objects.bulk_create([row for row in listed if row.state == STANDBY], ignore_conflicts=True)
    now = database_now()  # failover goes by it (messaging.failover), so all hosts must mean the same by it
    for row in listed:
        row.bound_at = now if row.state == BOUND else None
    # Those that work first: failover believes them, and what a carrier says to the others must not keep them out.
    _keep([row for row in listed if row.state == BOUND], [*_FIELDS, "bound_at"])
    _keep([row for row in listed if row.state not in (STANDBY, BOUND)], _FIELDS)


def _keep(rows: list[BindState], fields: list[str]) -> None:
    BindState.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["connector", "bind_no"], update_fields=fields
    )
