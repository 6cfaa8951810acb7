"""One session of a customer: bind, what it may receive, answers, and the ways to end it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from smpp.constants import CommandStatus
from smpp.errors import FieldError, SessionError, TlvsNotAllowed
from smpp.events import Closed, Event, ProtocolFault, RequestReceived, ResponseReceived, ResponseTimeout, Unanswered
from smpp.pdu import BIND_COMMANDS, BindTransmitter, Pdu
from workers.simulator.carrier import Carrier
from workers.simulator.mailbox import Mailbox, Outgoing
from workers.simulator.wire import CarrierConnection

# The customer may say "not now" (spec 5.7, temporary and busy); anything else is a final refusal.
_TRY_AGAIN = frozenset(
    {
        CommandStatus.ESME_RSYSERR,
        CommandStatus.ESME_RMSGQFUL,
        CommandStatus.ESME_RTHROTTLED,
        CommandStatus.ESME_RX_T_APPN,
    }
)


class Desk(Protocol):
    """Who decides for the sessions (intake.Intake)."""

    def take(self, link: "Link", pdu: Pdu) -> None:
        """Deal with one request of a bound session."""
        ...

    def judge_bind(self, pdu: Pdu) -> int | None:
        """The status for a bind; None: never answer, -1: close."""
        ...

    def forget(self, link: "Link") -> None:
        """The session has ended."""
        ...


class Link:
    """A session as the carrier sees it; `number` is unique within a run, `system_id` empty before the bind."""

    def __init__(self, carrier: Carrier, desk: Desk, connection: CarrierConnection, number: int) -> None:
        self.number = number
        self.system_id = ""
        self.delayed_answers = 0
        self.connection = connection
        self._carrier = carrier
        self._desk = desk
        self._mailbox: Mailbox | None = None
        self._farewell: asyncio.Task[None] | None = None
        connection.on_events = self._on_events
        connection.on_writable = self._on_writable

    # -- what the mailbox needs -------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether one more deliver_sm may leave now."""
        connection = self.connection
        return connection.writable and connection.session.free_slots > 0 and not connection.wire.silent

    def deliver(self, item: Outgoing) -> bool:
        """Send one item; False if the session cannot any more. What cannot be written at all is dropped."""
        counters = self._carrier.counters
        if item.raw:
            self.connection.write_raw(item.raw)
            counters.raw_sent += 1
        if item.pdu is None:
            return True
        try:
            self.connection.submit(item.pdu, item)
        except (TlvsNotAllowed, FieldError):
            counters.receipts_dropped += 1
            return True
        except SessionError:
            return False
        if item.kind == "mo":
            counters.mo_sent += 1
        else:
            counters.receipts_sent += 1
        return True

    @property
    def _over(self) -> bool:
        wire = self.connection.wire
        return self.connection.closed or wire.silent or wire.is_closing()

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, response: Pdu, due: float, now: float) -> None:
        """Answer at loop time `due`; an answer for a session that has ended is counted as lost."""
        if due <= now:
            self.respond(response)
            return
        self.delayed_answers += 1
        self._carrier.schedule.at(due, self._answer_late, response)

    def _answer_late(self, response: Pdu) -> None:
        self.delayed_answers -= 1
        self.respond(response)

    def respond(self, response: Pdu) -> None:
        """Answer now."""
        counters = self._carrier.counters
        if self._over:
            counters.answers_lost += 1
            return
        counters.answers[response.status] += 1
        self.connection.respond(response)

    # -- the end ----------------------------------------------------------------------------------

    def cut(self, kind: str) -> None:
        """End the session by `rst`, `fin`, `unbind`, or fall silent for good; later requests get no answer."""
        if self._over or self._farewell is not None:
            return
        self._carrier.counters.disconnects += 1
        if self._mailbox is not None:
            self._mailbox.leave(self)
        _CUTS[kind](self)

    def _reset(self) -> None:
        self.connection.wire.reset()

    def _unbind(self) -> None:
        self._farewell = asyncio.get_running_loop().create_task(self.connection.unbind())

    def _fall_silent(self) -> None:
        self.connection.wire.silent = True

    # -- events -----------------------------------------------------------------------------------

    def _on_events(self, batch: list[Event]) -> None:
        counters = self._carrier.counters
        counters.max_window_seen = max(counters.max_window_seen, self.connection.session.pending_requests)
        for event in batch:
            kind = type(event)
            if kind is RequestReceived:
                self._on_request(event.pdu)  # type: ignore[union-attr]
            elif kind is ResponseReceived:
                self._on_response(event)  # type: ignore[arg-type]
            elif kind is ResponseTimeout:
                self._retry(event.context)  # type: ignore[union-attr]
            elif kind is ProtocolFault:
                counters.protocol_faults += 1
            elif kind is Closed:
                self._on_closed(event)  # type: ignore[arg-type]
        if self._mailbox is not None and self._mailbox.waiting:
            self._mailbox.pump()

    def _on_writable(self) -> None:
        if self._mailbox is not None:
            self._mailbox.pump()

    def _on_request(self, pdu: Pdu) -> None:
        # One batch may hold more requests than the session lived to answer.
        if self._over or self._farewell is not None:
            return
        if pdu.command_id in BIND_COMMANDS:
            self._on_bind(pdu)
        else:
            self._desk.take(self, pdu)

    def _on_bind(self, pdu: Pdu) -> None:
        status = self._desk.judge_bind(pdu)
        if status is None:
            return
        if status < 0:
            self.cut("fin")
            return
        self.connection.respond(pdu.reply(status, system_id="" if status else self._carrier.config.smsc_id))
        if status:
            return
        self.system_id = pdu.system_id  # type: ignore[attr-defined]
        self._mailbox = self._carrier.mailbox(self.system_id)
        self.connection.ignore_enquire_link = self._carrier.config.ignore_enquire_link
        if not isinstance(pdu, BindTransmitter):
            self._mailbox.join(self)

    def _on_response(self, event: ResponseReceived) -> None:
        item, counters = event.context, self._carrier.counters
        if not isinstance(item, Outgoing):
            return
        status = event.pdu.status
        if status in _TRY_AGAIN:
            self._retry(item)
        elif item.kind == "mo":
            counters.mo_acked += not status
        elif status:
            counters.receipts_refused += 1
        else:
            counters.receipts_acked += 1

    def _retry(self, item: object) -> None:
        """Offer it again a little later, up to receipt_attempts times (a carrier's deliver_sm retry)."""
        if not isinstance(item, Outgoing) or self._mailbox is None:
            return
        config, counters = self._carrier.config, self._carrier.counters
        item.attempts += 1
        if item.attempts >= config.receipt_attempts:
            counters.mo_dropped += item.kind == "mo"
            counters.receipts_dropped += item.kind != "mo"
            return
        counters.receipts_repeated += 1
        self._carrier.schedule.at(self._carrier.now() + config.receipt_retry_seconds, self._mailbox.post, item)

    def _on_closed(self, event: Closed) -> None:
        self._desk.forget(self)
        if self._mailbox is None:
            return
        self._mailbox.leave(self)
        items = [lost.context for lost in event.unanswered if _is_outgoing(lost)]
        self._carrier.counters.receipts_repeated += len(items)
        self._mailbox.put_back(items)


def _is_outgoing(lost: Unanswered) -> bool:
    return isinstance(lost.context, Outgoing)


_CUTS: dict[str, Callable[[Link], None]] = {
    "rst": Link._reset,
    "fin": lambda link: link.connection.close(),
    "unbind": Link._unbind,
    "silence": Link._fall_silent,
}
