"""What the carrier says on a session: answers to our submissions, receipts and texts, the end."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from common.clock import utc_now
from common.errors import SendKind
from common.queues import Lane
from connectors.answer_counts import NO_ANSWER
from smpp import events
from smpp.constants import CommandStatus
from smpp.errors import FieldError, SessionError
from smpp.pdu import DataSm, DeliverSm, Pdu
from smpp.stream import Connection
from workers.binds.flights import Flight
from workers.binds.recorder import LineRecorder
from workers.binds.shared import Shared
from workers.binds.verdict import Verdicts

log = structlog.get_logger(__name__)

# Seconds of the first and the longest pause of a lane (spec/smpp.md 5.7).
PAUSES = {SendKind.THROTTLED: (1.0, 5.0), SendKind.BUSY: (5.0, 30.0)}


class Answers:
    """Takes the events of the sessions of one bind."""

    def __init__(self, shared: Shared, lines: LineRecorder, clock: Callable[[], float] = time.monotonic) -> None:
        self._view, self._flights, self._ready = shared.view, shared.flights, shared.ready
        self._lanes, self._pace, self._tenure = shared.lanes, shared.pace, shared.tenure
        self._report, self._lines, self._clock = shared.report, lines, clock
        self._verdicts = Verdicts(shared.view.error_classes)
        self.keeps = True  # False once we stop: what the carrier throws back goes back to the table

    def take(self, connection: Connection, batch: list[events.Event]) -> None:
        """One read of the socket; an event that cannot be dealt with must not take the others along."""
        now = utc_now()
        for event in batch:
            try:
                self._one(connection, event, now)
            except Exception:
                log.exception("event_not_taken", connector=self._view.name, event=type(event).__name__)
                flight = getattr(event, "context", None)
                if isinstance(flight, Flight) and self._flights.landed(flight):
                    self._flights.failed(flight, SendKind.UNCERTAIN, error="internal")

    def _one(self, connection: Connection, event: events.Event, now: datetime) -> None:
        match event:
            case events.ResponseReceived(pdu=pdu, context=Flight() as flight):
                self._answered(connection, flight, pdu, now)
            case events.ResponseTimeout(context=Flight() as flight):
                self._in_doubt(flight, "no answer in time")
            case events.RequestReceived(pdu=DeliverSm() | DataSm() as line):
                self._report.last_receipt = now
                self._lines.add(line, partial(_reply, connection, line))
            case events.RequestReceived(pdu=other):
                _reply(connection, other, CommandStatus.ESME_RINVCMDID)
            case events.Closed():
                for left in event.unanswered:
                    if isinstance(left.context, Flight):
                        self._in_doubt(left.context, f"link lost: {event.reason.name.lower()}")

    def _answered(self, connection: Connection, flight: Flight, pdu: Pdu, now: datetime) -> None:
        self._report.answers[pdu.status] += 1
        if pdu.status == CommandStatus.ESME_ROK:
            self._verdicts.accepted(flight.parts[0])
            self._flights.landed(flight)
            self._flights.submitted(flight, str(getattr(pdu, "message_id", "") or ""), now)
            return
        kind = self._verdicts.judge(flight.parts[0], pdu.status)
        self._flights.landed(flight)
        if kind in PAUSES:
            self._slow_down(flight, kind)
            return
        self._flights.failed(flight, kind, command_status=pdu.status)
        if kind is SendKind.SESSION:
            connection.wind_up()

    def _slow_down(self, flight: Flight, kind: SendKind) -> None:
        """The same messages go first once the pause is over; no attempt is counted."""
        self._lanes.buffers[Lane(flight.parts[0].lane)].throttled(self._clock(), *PAUSES[kind])
        if kind is SendKind.THROTTLED:
            self._pace.throttled()
        if self.keeps and self._tenure.holds(flight.fence):
            self._ready.put_back(flight.parts)
        else:
            self._flights.not_written(flight.parts, flight.fence)

    def _in_doubt(self, flight: Flight, why: str) -> None:
        if self._flights.landed(flight):
            self._report.answers[NO_ANSWER] += 1
            self._flights.failed(flight, SendKind.UNCERTAIN, error=why)


def _reply(connection: Connection, request: Pdu, status: int) -> None:
    """Answer on the session of the request; when it is over, the carrier sends a line again on the next one."""
    reply = getattr(request, "reply", None)
    if reply is None or connection.closed:
        return
    try:
        connection.respond(reply(status=status))
    except (SessionError, FieldError) as error:
        log.info("not_answered", request=request.name, error=str(error))
