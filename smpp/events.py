"""What a session tells its owner."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from smpp.errors import PduError
from smpp.pdu import Pdu
from smpp.states import State


class CloseReason(Enum):
    """Why a session ended."""

    UNBOUND = "we unbound"
    PEER_UNBOUND = "the peer unbound"
    CONNECTION_LOST = "the connection was lost"
    PEER_DEAD = "two enquire_link in a row stayed without an answer"
    INACTIVITY = "no message traffic for too long"
    INIT_TIMEOUT = "no bind within the session-init time"
    PARTIAL_PDU = "a PDU began and did not end in time"
    FRAMING = "the frame boundary was lost"
    SLOW_READER = "the peer does not read"
    BIND_FAILED = "the bind was refused"
    LOCAL = "closed by us"


@dataclass(frozen=True, slots=True)
class Bound:
    """The bind succeeded. `peer_version` is None when the peer did not name its interface version."""

    state: State
    system_id: str
    peer_version: int | None


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A legal request: the owner must answer with `respond` (not an outbind or alert_notification)."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """The answer to a request of ours (its response or generic_nack), `seconds` after it was sent.

    `fault` is set when the body could not be read: the status is the peer's, the fields are empty.
    """

    pdu: Pdu
    context: Any
    command_id: int
    seconds: float
    fault: PduError | None = None


@dataclass(frozen=True, slots=True)
class ResponseTimeout:
    """No answer in time; what became of the request is unknown."""

    sequence: int
    context: Any
    command_id: int


@dataclass(frozen=True, slots=True)
class UnsolicitedResponse:
    """A response nobody waits for (late, repeated or invented)."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class ProtocolFault:
    """A PDU that was wrong or came at the wrong time; it is answered already and the session goes on."""

    error: PduError
    frame: bytes


@dataclass(frozen=True, slots=True)
class PeerUnbound:
    """The peer asked to end the session; it ends at once, or when what he asked before is answered."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request that had no answer when the session ended; what became of it is unknown."""

    sequence: int
    context: Any
    command_id: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event of a session, exactly once, with everything that stayed without an answer."""

    reason: CloseReason
    unanswered: tuple[Unanswered, ...] = ()
    error: PduError | None = None


Event = (
    Bound
    | RequestReceived
    | ResponseReceived
    | ResponseTimeout
    | UnsolicitedResponse
    | ProtocolFault
    | PeerUnbound
    | Closed
)
