"""Writing claimed parts to the socket, as long as window, pace, lanes and lease allow it."""

import asyncio
from datetime import datetime
from uuid import UUID

import structlog

from common import crash
from common.clock import utc_now
from common.errors import SendKind
from common.queues import Lane
from connectors.models import LongMessages
from messaging.claims import ClaimedPart
from smpp.errors import FieldError, SessionError
from smpp.stream import Connection
from workers.binds.flights import Flight
from workers.binds.pace import Meter
from workers.binds.shared import Shared
from workers.binds.submission import submit_sm

log = structlog.get_logger(__name__)

ON_THE_WIRE = 0.001  # seconds after which the loop has given to the kernel what was written


class Writer:
    """Turns what is ready into submit_sm."""

    def __init__(self, shared: Shared) -> None:
        self._view, self._ready, self._flights = shared.view, shared.ready, shared.flights
        self._pace, self._tenure, self._report = shared.pace, shared.tenure, shared.report
        self._lanes = shared.lanes
        self._begun: UUID | None = None  # the message whose part went last
        self.meter = Meter()

    def pump(self, connection: Connection) -> None:
        """Write what may be written now."""
        now = utc_now()
        while connection.writable and self._tenure.holds(self._ready.fence):
            part = self._next(connection)
            if part is None:
                return
            if part.expires_at is not None and part.expires_at <= now:  # it waited through a pause
                self._flights.not_written([part], self._ready.fence)
                continue
            if not self._write(connection, self._with_siblings(part), now):
                return

    def rest(self) -> None:
        """There is no session any more: tokens that were gathered for this bind are the others'."""
        self._pace.release(self)

    def _next(self, connection: Connection) -> ClaimedPart | None:
        """What window and tokens let through: the last are for otp, and a message waits for tokens of all its parts."""
        free, pace = connection.session.free_slots, self._pace
        if free <= 0 or pace.for_(self, otp=True) <= 0:
            return None
        otp_only = free <= self._lanes.otp_slots(self._view.window) or pace.for_(self, otp=False) <= 0
        part = self._ready.next(otp_only=otp_only)
        if part is None:
            if not otp_only:
                pace.release(self)
            return None
        needs = self._tokens(part)
        if needs > 1 and needs > pace.for_(self, otp=part.lane == Lane.OTP):
            pace.save(self, needs)
            self._ready.again(part)
            return None
        return part

    def _tokens(self, part: ClaimedPart) -> int:
        """Submissions that must be allowed before this part goes."""
        if self._view.long_messages == LongMessages.PAYLOAD or part.total == 1 or not self._pace.limited:
            return 1
        if part.message_id == self._begun:
            return 1  # its first parts are out: no further gathering
        return min(1 + self._ready.following(part), self._pace.at_once)

    def _with_siblings(self, part: ClaimedPart) -> list[ClaimedPart]:
        if self._view.long_messages != LongMessages.PAYLOAD or part.total == 1:
            return [part]
        rest = self._ready.siblings(part)
        if len(rest) + 1 == part.total:
            return [part, *rest]
        self._ready.put_back(rest)  # others went out before: this one goes alone, with a header
        return [part]

    def _write(self, connection: Connection, parts: list[ClaimedPart], now: datetime) -> bool:
        """False when the session takes no more."""
        flight = Flight(parts, self._ready.fence)
        try:
            connection.submit(submit_sm(parts[0], self._view, now, whole=len(parts) > 1), flight)
        except SessionError as error:  # closed or full between two looks: they wait
            log.info("not_submitted", connector=self._view.name, error=repr(error))
            self._ready.put_back(parts)
            return False
        except (FieldError, ValueError) as error:  # cannot be written in this connector's way
            self._flights.failed(flight, SendKind.ROUTE, error=f"cannot encode: {error}")
        except Exception as error:  # a poison part ends alone, the bind lives
            log.exception("part_not_written", connector=self._view.name, part=str(parts[0].part_id))
            self._flights.failed(flight, SendKind.ROUTE, error=f"internal: {type(error).__name__}")
        else:
            self._wrote(flight, now)
        return True

    def _wrote(self, flight: Flight, now: datetime) -> None:
        self._flights.began(flight)
        self._pace.used()
        self._pace.release(self)
        self._begun = flight.parts[0].message_id
        self.meter.add()
        self._report.submitted += 1
        self._report.last_submit = now
        if crash.armed:
            asyncio.get_running_loop().call_later(ON_THE_WIRE, lambda: crash.point("written"))
