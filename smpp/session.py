"""One SMPP session without a socket and without a clock: octets and the time in, events and octets out."""

from collections import Counter
from typing import Any

from smpp.codec import BrokenStream, Framer, decode, encode, response_without_body
from smpp.constants import RESPONSE_BIT, CommandId, CommandStatus, Tag
from smpp.errors import BodyError, IllegalCommand, PduError, SessionClosed
from smpp.events import (
    Bound,
    Closed,
    CloseReason,
    Event,
    PeerUnbound,
    ProtocolFault,
    RequestReceived,
    ResponseReceived,
    ResponseTimeout,
    Unanswered,
    UnsolicitedResponse,
)
from smpp.liveness import Liveness
from smpp.pdu import (
    BIND_COMMANDS,
    PDU_CLASSES,
    WITHOUT_RESPONSE,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Unbind,
    UnbindResp,
)
from smpp.session_config import SendTlvs, SessionConfig
from smpp.states import Role, State, is_legal, next_state
from smpp.tapping import RECEIVED, SENT, Tap
from smpp.versions import TlvPolicy
from smpp.window import Slot, Window

__all__ = ["Role", "SendTlvs", "Session", "SessionConfig", "State"]

_PROBE_ANSWERS = frozenset({CommandId.ENQUIRE_LINK_RESP, CommandId.GENERIC_NACK})
_BIND_RESPONSES = frozenset(command | RESPONSE_BIT for command in BIND_COMMANDS)


class Session:
    """One end of a link. `now` is monotonic seconds; nothing here waits or reads a clock.

    Answers enquire_link, unbind, illegal, unknown and malformed PDUs by itself. The owner answers every
    RequestReceived, writes out `take_output()` after each call (after `goodbye`, where unbinds are held), and calls
    `tick` about every second. A `tap` hears every frame in the order of the wire; it must raise nothing.
    """

    def __init__(self, role: Role, config: SessionConfig | None = None, *, now: float) -> None:
        self.role = role
        self.config = config or SessionConfig()
        self.state = State.OPEN
        self.tlv_policy = TlvPolicy(self.config)
        self._framer = Framer(self.config.max_frame)
        self._window = Window(self.config.window)
        self._liveness = Liveness(self.config, now)
        self._incoming: Counter[int] = Counter()
        self._bind_pending = False
        self._unbind: Slot | None = None
        self._peer_unbind: tuple[int, float] | None = None  # its sequence, and until when its answer may wait
        self._output: list[bytes] = []
        self.tap: Tap | None = None

    # -- what the owner may ask -------------------------------------------------------------------

    @property
    def bound(self) -> bool:
        """Whether a bind has succeeded and no unbind has."""
        return self.state.is_bound

    @property
    def closed(self) -> bool:
        """Whether the session has ended; what `take_output` still returns should be written."""
        return self.state is State.CLOSED

    @property
    def free_slots(self) -> int:
        """Requests that `send` would take now."""
        return self._window.free

    @property
    def outstanding(self) -> int:
        """Our requests without an answer."""
        return len(self._window)

    @property
    def pending_requests(self) -> int:
        """The peer's requests that the owner has not answered."""
        return len(self._incoming)

    @property
    def peer_version(self) -> int | None:
        """The interface version that the peer named when binding."""
        return self.tlv_policy.peer_version

    @property
    def unbinding(self) -> bool:
        """Whether we asked to end the session and wait for the answer."""
        return self._unbind is not None

    @property
    def round_trip(self) -> float | None:
        """Seconds that the peer took to answer the last enquire_link; None before the first."""
        return self._liveness.round_trip

    @property
    def tlvs_allowed(self) -> bool:
        """Whether both sides speak 3.4, or the settings say so."""
        return self.tlv_policy.allowed

    def take_output(self) -> bytes:
        """Return and forget the octets to write, all PDUs in one piece."""
        if not self._output:
            return b""
        data = b"".join(self._output)
        self._output.clear()
        return data

    # -- what the owner may do --------------------------------------------------------------------

    def reconfigure(self, config: SessionConfig) -> None:
        """Go on under other settings: a server learns whose they are with the bind. Timers that run go on."""
        self.config = config
        self.tlv_policy.reconfigure(config)
        self._framer.max_frame = config.max_frame
        self._window.capacity = config.window
        self._liveness.config = config

    def send(self, pdu: Pdu, context: Any = None, *, now: float, timeout: float | None = None) -> int:
        """Queue a request, hold a slot for it and return its sequence; `timeout` in seconds.

        Raises SessionClosed, IllegalCommand, WindowFull, TlvsNotAllowed or FieldError; then nothing was
        queued and no slot is held.
        """
        self._check_may_send(pdu)
        command = pdu.command_id
        if command == CommandId.UNBIND:
            return self.unbind(now=now, context=context)
        if command not in WITHOUT_RESPONSE:
            self._window.check_room()
        pdu.sequence = sequence = self._window.next_sequence()
        frame = self._encode(pdu)
        if command not in WITHOUT_RESPONSE:
            wait = self.config.response_seconds if timeout is None else timeout
            self._window.open(Slot(sequence, command, context, now, now + wait))
        if command in BIND_COMMANDS:
            self._bind_pending = True
            self.tlv_policy.our_version = getattr(pdu, "interface_version", 0)
        self.state = next_state(self.state, command, 0)
        self._write(frame)
        return sequence

    def respond(self, response: Pdu, *, now: float, note: str = "") -> None:
        """Queue the answer to a request of the peer; build it with `request.reply`. `note` is for the tap alone.

        Raises IllegalCommand when no request with this sequence waits, SessionClosed or FieldError.
        """
        if self.closed:
            raise SessionClosed("the session has ended")
        if not self._incoming[response.sequence]:
            raise IllegalCommand(f"no request {response.sequence} waits for an answer")
        if response.command_id in _BIND_RESPONSES:
            self.tlv_policy.sign(response)
        frame = self._encode(response)
        self._forget_incoming(response.sequence)
        if response.command_id in _BIND_RESPONSES:
            self._bind_pending = False
        self.state = next_state(self.state, response.command_id, response.status)
        self._write(frame, note)

    def unbind(self, *, now: float, context: Any = None) -> int:
        """Ask the peer to end the session; it closes with the answer or after unbind_response_seconds."""
        if not self.bound:
            raise IllegalCommand(f"unbind in state {self.state.value}")
        if self._unbind is not None:
            return self._unbind.sequence
        sequence = self._window.next_sequence()
        deadline = now + self.config.unbind_response_seconds
        self._unbind = Slot(sequence, CommandId.UNBIND, context, now, deadline)
        self._write(encode(Unbind(sequence=sequence)))
        return sequence

    def close(self, reason: CloseReason, error: PduError | None = None) -> list[Event]:
        """End the session; the Closed event hands back every unanswered context. Empty if it had ended."""
        if self.closed:
            return []
        self.state = State.CLOSED
        self._incoming.clear()
        slots = self._window.clear()
        if self._unbind is not None and self._unbind.context is not None and reason is not CloseReason.UNBOUND:
            slots.append(self._unbind)
        left = tuple(Unanswered(slot.sequence, slot.context, slot.command_id) for slot in slots)
        return [Closed(reason, left, error)]

    @property
    def is_leaving(self) -> bool:
        """Whether the peer asked to end the session and waits for the answers that we owe him."""
        return self._peer_unbind is not None and not self.closed

    def goodbye(self, now: float) -> list[Event]:
        """Answer the unbind of the peer and end, once no request of his waits, or it was held long enough."""
        if self._peer_unbind is None or self.closed:
            return []
        sequence, until = self._peer_unbind
        if self._incoming and now < until:
            return []
        self._write(encode(UnbindResp(sequence=sequence)))
        return self.close(CloseReason.PEER_UNBOUND)

    def tick(self, now: float) -> list[Event]:
        """Let time pass: expire answers, ask a silent peer, end a session that is over."""
        if self.closed:
            return []
        events: list[Event] = [
            ResponseTimeout(slot.sequence, slot.context, slot.command_id) for slot in self._window.expire(now)
        ]
        if self._peer_unbind is not None:
            return events + self.goodbye(now)
        if self._unbind is not None and now >= self._unbind.deadline:
            return events + self._on_unbind_timeout(self._unbind)
        if self.bound and self._liveness.probe_due(now):
            sequence = self._window.next_sequence()
            self._liveness.asked(sequence, now)
            self._write(encode(EnquireLink(sequence=sequence)))
        reason = self._liveness.verdict(bound=self.bound, now=now)
        return events + self.close(reason) if reason else events

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets of the peer and return what they mean; raises nothing."""
        events: list[Event] = []
        if self.closed:
            return events
        broken = None
        try:
            frames = self._framer.feed(data)
        except BrokenStream as error:
            broken, frames = error, error.frames
        self._liveness.partial(self._framer.pending, progressed=bool(frames), now=now)
        for frame in frames:
            self._on_frame(frame, now, events)
            if self.closed:
                return events
        if broken is not None:
            nack = GenericNack(status=broken.command_status, sequence=broken.sequence)
            self._write(encode(nack), str(broken))
            events += self.close(CloseReason.FRAMING, broken)
        return events

    # -- one PDU of the peer ----------------------------------------------------------------------

    def _on_frame(self, frame: bytes, now: float, events: list[Event]) -> None:
        self._liveness.heard(now)
        if self.tap is not None:
            self.tap(RECEIVED, frame, "")
        try:
            pdu = decode(frame)
        except PduError as error:
            self._on_fault(error, frame, now, events)
            return
        if pdu.tlvs:
            self.tlv_policy.peer_sent_tlvs = True
        if pdu.is_response:
            self._on_response(pdu, None, now, events)
        else:
            self._on_request(pdu, frame, now, events)

    def _on_fault(self, error: PduError, frame: bytes, now: float, events: list[Event]) -> None:
        status = int.from_bytes(frame[8:12], "big")
        response = response_without_body(error, status)
        if response is not None:
            self._on_response(response, error, now, events)
        else:
            self._refuse(error, frame, events)

    def _refuse(self, error: PduError, frame: bytes, events: list[Event]) -> None:
        """Answer a bad request with its own response where there is one, else with generic_nack."""
        cls = PDU_CLASSES.get(error.command_id | RESPONSE_BIT, GenericNack)
        if error.command_id & RESPONSE_BIT:
            cls = GenericNack
        self._write(encode(cls(status=error.command_status, sequence=error.sequence)), str(error))
        events.append(ProtocolFault(error, frame))

    def _on_request(self, pdu: Pdu, frame: bytes, now: float, events: list[Event]) -> None:
        command = pdu.command_id
        status = self._objection(command)
        if status:
            error = BodyError(
                self._in_words(pdu, status), command_status=status, command_id=command, sequence=pdu.sequence
            )
            self._refuse(error, frame, events)
        elif command == CommandId.ENQUIRE_LINK:
            self._write(encode(EnquireLinkResp(sequence=pdu.sequence)))
        elif command == CommandId.UNBIND:
            self._peer_unbind = pdu.sequence, now + self.config.unbind_hold_seconds
            self.state = State.UNBOUND
            events.append(PeerUnbound())
            events += self.goodbye(now)
        else:
            self._accept(pdu, events)

    def _objection(self, command: int) -> int:
        """Return the command_status that refuses this request, or 0."""
        if command in BIND_COMMANDS and (self.bound or self._bind_pending):
            return CommandStatus.ESME_RALYBND
        if not is_legal(self.role.peer, self.state, command):
            return CommandStatus.ESME_RINVBNDSTS
        limit = self.config.incoming_window
        if limit and len(self._incoming) >= limit and command not in (CommandId.ENQUIRE_LINK, CommandId.UNBIND):
            return CommandStatus.ESME_RTHROTTLED
        return CommandStatus.ESME_ROK

    def _in_words(self, pdu: Pdu, status: int) -> str:
        if status == CommandStatus.ESME_RTHROTTLED:
            return f"{len(self._incoming)} requests wait for their answers, and no more may"
        if status == CommandStatus.ESME_RALYBND:
            return f"{pdu.name} on a session that is bound, or about to be"
        return f"{pdu.name} in state {self.state.value}"

    def _accept(self, pdu: Pdu, events: list[Event]) -> None:
        if pdu.command_id in BIND_COMMANDS:
            self._bind_pending = True
            self.tlv_policy.peer_version = getattr(pdu, "interface_version", None)
        if pdu.command_id not in WITHOUT_RESPONSE:
            self._incoming[pdu.sequence] += 1
        self.state = next_state(self.state, pdu.command_id, 0)
        events.append(RequestReceived(pdu))

    def _on_response(self, pdu: Pdu, fault: PduError | None, now: float, events: list[Event]) -> None:
        sequence = pdu.sequence
        if self._unbind is not None and sequence == self._unbind.sequence:
            self._on_unbind_answer(pdu, self._unbind, now, events)
            return
        # A peer that nacks enquire_link is odd, but alive.
        if pdu.command_id in _PROBE_ANSWERS and self._liveness.answered(sequence, now):
            return
        slot = self._window.get(sequence)
        if slot is None or pdu.command_id not in (slot.command_id | RESPONSE_BIT, CommandId.GENERIC_NACK):
            events.append(UnsolicitedResponse(pdu))
            return
        self._window.answer(sequence)
        events.append(ResponseReceived(pdu, slot.context, slot.command_id, now - slot.sent_at, fault))
        if slot.command_id in BIND_COMMANDS:
            self._on_bind_answer(pdu, events)

    def _on_bind_answer(self, pdu: Pdu, events: list[Event]) -> None:
        self._bind_pending = False
        if pdu.status or pdu.command_id == CommandId.GENERIC_NACK:
            return
        self.tlv_policy.peer_version = pdu.tlvs.integer(Tag.SC_INTERFACE_VERSION)
        self.state = next_state(self.state, pdu.command_id, pdu.status)
        events.append(Bound(self.state, getattr(pdu, "system_id", ""), self.peer_version))

    def _on_unbind_answer(self, pdu: Pdu, slot: Slot, now: float, events: list[Event]) -> None:
        if slot.context is not None:
            events.append(ResponseReceived(pdu, slot.context, slot.command_id, now - slot.sent_at))
        self.state = State.UNBOUND
        events += self.close(CloseReason.UNBOUND)

    def _on_unbind_timeout(self, slot: Slot) -> list[Event]:
        events: list[Event] = []
        if slot.context is not None:
            events.append(ResponseTimeout(slot.sequence, slot.context, slot.command_id))
        return events + self.close(CloseReason.UNBOUND)

    # -- one PDU of ours --------------------------------------------------------------------------

    def _write(self, frame: bytes, note: str = "") -> None:
        self._output.append(frame)
        if self.tap is not None:
            self.tap(SENT, frame, note)

    def _check_may_send(self, pdu: Pdu) -> None:
        if self.closed:
            raise SessionClosed("the session has ended")
        if pdu.is_response:
            raise IllegalCommand("a response goes through respond()")
        busy = self._unbind is not None or (pdu.command_id in BIND_COMMANDS and self._bind_pending)
        if busy or not is_legal(self.role, self.state, pdu.command_id):
            raise IllegalCommand(f"{pdu.name} in state {self.state.value}")

    def _encode(self, pdu: Pdu) -> bytes:
        lenient = self.config.allow_long_password and pdu.command_id in BIND_COMMANDS
        return encode(self.tlv_policy.fit(pdu), lenient=lenient)

    def _forget_incoming(self, sequence: int) -> None:
        self._incoming[sequence] -= 1
        if not self._incoming[sequence]:
            del self._incoming[sequence]
