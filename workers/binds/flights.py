"""What is between us and the carrier: parts in the socket window, and the results that come of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from common.clock import utc_now
from common.errors import SendKind
from messaging.claims import ClaimedPart
from messaging.outcomes import SUBMITTED, SubmitResult
from workers.binds.recorder import ResultRecorder


class Flight:
    """What one submit_sm carries, and under which fence it was claimed."""

    __slots__ = ("fence", "parts")

    def __init__(self, parts: list[ClaimedPart], fence: int) -> None:
        self.parts, self.fence = parts, fence


class Flights:
    """The unanswered submit_sm of one bind, and the way from there into the results."""

    def __init__(self, results: ResultRecorder) -> None:
        self._results = results
        self._open: set[Flight] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def blocked(self) -> bool:
        """Results wait for the database: write nothing new."""
        return self._results.full

    def began(self, flight: Flight) -> None:
        """It was written."""
        self._open.add(flight)

    def landed(self, flight: Flight) -> bool:
        """It is over, whatever came of it; False when that was known."""
        known = flight in self._open
        self._open.discard(flight)
        return known

    def submitted(self, flight: Flight, provider_id: str, at: datetime) -> None:
        """The carrier took it."""
        for part in flight.parts:
            self._results.add(
                SubmitResult(
                    part_id=part.part_id, fence=flight.fence, kind=SUBMITTED, provider_id=provider_id,
                    command_status=0, at=at,
                )
            )  # fmt: skip

    def failed(self, flight: Flight, kind: SendKind, **said: Any) -> None:
        """It ended otherwise; `said`: command_status and error of the result."""
        at = utc_now()
        # BUSY is the connector's fault here: the third in a row for one number comes as TEMPORARY.
        counted = kind is not SendKind.BUSY
        for part in flight.parts:
            self._results.add(
                SubmitResult(
                    part_id=part.part_id, fence=flight.fence, kind=kind, at=at, counted=counted,
                    claimed_at=part.claimed_at, **said,
                )
            )  # fmt: skip

    def not_written(self, parts: list[ClaimedPart], fence: int) -> None:
        """These go back in line as results, in order with everything else that is recorded; no attempt counts."""
        if parts:
            self.failed(Flight(parts, fence), SendKind.SESSION, error="not written")

    def known(self) -> set[UUID]:
        """Ids of the parts whose end is still to come or to be recorded."""
        return {part.part_id for flight in self._open for part in flight.parts} | self._results.waiting()
