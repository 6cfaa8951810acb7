"""One connection of a customer: who it is, and which room deals with what it sends."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from accounts.snapshot import SmppClientView, accounts
from common.clock import utc_now
from messaging.wirelog import STRANGERS, Subject
from smpp.constants import CommandStatus
from smpp.errors import FieldError, SessionError
from smpp.events import Closed, CloseReason, Event, ProtocolFault, RequestReceived, ResponseReceived, ResponseTimeout
from smpp.pdu import BIND_COMMANDS, CancelSm, DataSm, Pdu, QuerySm, ReplaceSm, SubmitMulti, SubmitSm
from smpp.states import State
from smpp.stream import Connection
from workers.smpp_server import asking, binding, submitting
from workers.smpp_server.shared import Shared
from workers.wires import Visitor

log = structlog.get_logger(__name__)

# Wrong PDUs in a row: they are answered and the session goes on, but one that sends nothing else is no SMPP client.
WRONG_UNBOUND: Final = 10
WRONG_BOUND: Final = 1_000
_SUBMITS: Final = (SubmitSm, SubmitMulti, DataSm)
_QUESTIONS: Final = (QuerySm, CancelSm, ReplaceSm)
_RECEIVING: Final = (State.BOUND_RX, State.BOUND_TRX)


class ClientSession:
    """Joins a connection to the server's rooms; `client_id` is 0 until a bind has succeeded."""

    __slots__ = (
        "__weakref__",
        "address",
        "bind_id",
        "client_id",
        "connection",
        "delivered",
        "leaving",
        "mode",
        "password_hash",
        "port",
        "refused",
        "shared",
        "since",
        "submitted",
        "system_id",
        "tls",
        "wire",
        "wrong",
    )

    def __init__(self, shared: Shared, connection: Connection, *, tls: bool) -> None:
        self.shared, self.connection, self.tls = shared, connection, tls
        peer = connection.peername or ("", 0)
        self.address, self.port = str(peer[0]), int(peer[1])
        self.client_id, self.system_id, self.password_hash = 0, "", ""
        self.mode = ""
        self.bind_id: UUID | None = None
        self.since: datetime = utc_now()
        self.submitted = self.refused = self.delivered = self.wrong = 0
        self.leaving = ""  # why we end the session, where it is we
        self.wire = Visitor(f"{self.address}:{self.port}"[:60])
        connection.session.tap = self.wire.tap
        connection.on_events = self._on_events
        connection.on_writable = self._on_writable

    @property
    def bound(self) -> bool:
        """Whether a customer is known and the session goes on."""
        return self.client_id != 0 and self.connection.session.bound

    @property
    def receives(self) -> bool:
        """Whether receipts and texts may go out here now."""
        return self.connection.session.state in _RECEIVING and not self.connection.session.unbinding

    @property
    def client(self) -> SmppClientView | None:
        """The settings as they are now; None when the client is gone."""
        return accounts().smpp(self.client_id)

    def settle(self, subject: Subject) -> None:
        """It is known now whose wire this is."""
        self.connection.session.tap = self.wire.settle(self.shared.wires.ring(subject))

    def respond(self, response: Pdu, note: str = "") -> None:
        """Answer, unless the customer has left meanwhile: what was done is done. `note` goes into the wire log."""
        if self.connection.closed:
            return
        try:
            self.connection.respond(response, note)
        except (SessionError, FieldError) as error:  # a defect of ours; the session must not go with it
            log.error("smpp_answer_failed", system_id=self.system_id, error=str(error))

    def refuse(self, pdu: Pdu, status: int, reason: str, **fields: Any) -> None:
        """Answer with an error, and keep the reason for the customer's log."""
        self.refused += 1
        self.shared.refusals.note(
            system_id=self.system_id or str(getattr(pdu, "system_id", ""))[:16],
            address=self.address,
            command=pdu.name,
            status=status,
            reason=reason,
        )
        self.respond(pdu.reply(status, **fields), reason)

    # -- what the connection tells ----------------------------------------------------------------

    def _on_events(self, events: list[Event]) -> None:
        submits: list[Pdu] = []
        for event in events:
            if isinstance(event, RequestReceived):
                self._on_request(event.pdu, submits)
            elif isinstance(event, ResponseReceived | ResponseTimeout):
                self._on_answer(event)
            elif isinstance(event, ProtocolFault):
                self._on_fault(event)
            elif isinstance(event, Closed):
                self._on_closed(event)
        if self._is_hopeless:
            self.leaving = f"cut off: {self.wrong} wrong PDUs"
            self.connection.close(CloseReason.FRAMING)
        # Of a session that is over nothing can be answered, and "no answer" means "send it again" (docs/smpp.md).
        if submits and not self.connection.closed:
            submitting.take(self, submits)

    @property
    def _is_hopeless(self) -> bool:
        """Whether so much was wrong that the session ends; nothing that comes after it counts."""
        return self.wrong > (WRONG_BOUND if self.client_id else WRONG_UNBOUND)

    def _on_request(self, pdu: Pdu, submits: list[Pdu]) -> None:
        """Deal with it, or lay it to the `submits` of this read."""
        if self._is_hopeless:
            return
        self.wrong = 0
        if isinstance(pdu, _SUBMITS):
            submits.append(pdu)
        elif pdu.command_id in BIND_COMMANDS:
            self.shared.spawn(binding.bind(self, pdu), "bind")
        elif isinstance(pdu, _QUESTIONS):
            self.shared.spawn(asking.answer(self, pdu), "question")
        else:  # alert_notification and outbind have no answer, and nobody legal sends them to a server
            self.refuse(pdu, CommandStatus.ESME_RINVCMDID, "not for a server")

    def _on_answer(self, event: ResponseReceived | ResponseTimeout) -> None:
        if isinstance(event, ResponseReceived) and event.fault is None and not self._is_hopeless:
            self.wrong = 0
        self.shared.postman.answered(self, event)

    def _on_fault(self, event: ProtocolFault) -> None:
        """It is answered already. More than the window holds is not wrong: an answer of "later" is promised for it."""
        self.wrong += event.error.command_status != CommandStatus.ESME_RTHROTTLED
        self.refused += 1
        self.shared.refusals.note(
            system_id=self.system_id,
            address=self.address,
            command=f"0x{event.error.command_id:08x}",
            status=event.error.command_status,
            reason=str(event.error),
        )

    def _on_closed(self, event: Closed) -> None:
        self.shared.door.leave(self.address, bound=self.client_id != 0)
        reason = self._end_of(event)
        if self.client_id:
            binding.ended(self, event, reason)
        if not self.wire.settled:
            self.settle(STRANGERS)
        self.wire.event(f"ended: {reason}")

    def _end_of(self, event: Closed) -> str:
        """Why the session is over, in plain words."""
        if self.leaving:
            return self.leaving
        if event.reason is CloseReason.UNBOUND and self.shared.stopping:
            return "the server was stopped"
        return f"{event.reason.value}: {event.error}" if event.error is not None else event.reason.value

    def _on_writable(self) -> None:
        self.shared.postman.wake(self.client_id)
