"""One thing that happened to a message and that somebody may want to hear of."""

from dataclasses import dataclass
from datetime import datetime

from messaging.rows import MessageRow

# Which event of a message this is; it makes the event id, so that one event has one id whoever plans it.
FINAL, LATE, UNDERWAY = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event of a message: its final state, a late one after UNKNOWN, or that it is under way."""

    message: MessageRow
    status: str
    error_code: str
    connector_id: int | None
    at: datetime  # when the receipt came, or when we decided
    number: int = FINAL
