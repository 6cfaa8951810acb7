"""The session states and who may send what in which of them (SMPP 3.4 §2.2 and §2.3), as one table."""

from enum import Enum

from smpp.constants import RESPONSE_BIT, CommandId


class Role(Enum):
    """Which end of the link we are."""

    ESME = "esme"
    SMSC = "smsc"

    @property
    def peer(self) -> "Role":
        """The other end."""
        return Role.SMSC if self is Role.ESME else Role.ESME


class State(Enum):
    """Where a session stands; OUTBOUND is OPEN after an outbind."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBOUND = "unbound"
    CLOSED = "closed"

    @property
    def is_bound(self) -> bool:
        """Whether a bind has succeeded and no unbind has."""
        return self in _BOUND


_BOUND = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})

_BINDS = frozenset({CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER})
_LINK = frozenset({CommandId.UNBIND, CommandId.ENQUIRE_LINK})
_OUT = frozenset(
    {
        CommandId.SUBMIT_SM,
        CommandId.SUBMIT_MULTI,
        CommandId.DATA_SM,
        CommandId.QUERY_SM,
        CommandId.CANCEL_SM,
        CommandId.REPLACE_SM,
    }
)
_IN = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.ALERT_NOTIFICATION})
_NOTHING: frozenset[CommandId] = frozenset()

# (who sends, in which state) -> the requests it may send. data_sm follows the direction of the bind,
# as the operation matrix of SMPP 5.0 §2.4 made clear.
LEGAL_REQUESTS: dict[tuple[Role, State], frozenset[CommandId]] = {
    (Role.ESME, State.OPEN): _BINDS,
    (Role.SMSC, State.OPEN): frozenset({CommandId.OUTBIND}),
    (Role.ESME, State.OUTBOUND): _BINDS - {CommandId.BIND_TRANSMITTER},
    (Role.SMSC, State.OUTBOUND): _NOTHING,
    (Role.ESME, State.BOUND_TX): _LINK | _OUT,
    (Role.SMSC, State.BOUND_TX): _LINK,
    (Role.ESME, State.BOUND_RX): _LINK,
    (Role.SMSC, State.BOUND_RX): _LINK | _IN,
    (Role.ESME, State.BOUND_TRX): _LINK | _OUT,
    (Role.SMSC, State.BOUND_TRX): _LINK | _IN,
    (Role.ESME, State.UNBOUND): _NOTHING,
    (Role.SMSC, State.UNBOUND): _NOTHING,
    (Role.ESME, State.CLOSED): _NOTHING,
    (Role.SMSC, State.CLOSED): _NOTHING,
}

# What a command, once it has succeeded, makes of the state. A bind or an unbind succeeds with its
# response of status 0; an outbind with itself.
NEXT_STATE: dict[CommandId, State] = {
    CommandId.OUTBIND: State.OUTBOUND,
    CommandId.BIND_TRANSMITTER_RESP: State.BOUND_TX,
    CommandId.BIND_RECEIVER_RESP: State.BOUND_RX,
    CommandId.BIND_TRANSCEIVER_RESP: State.BOUND_TRX,
    CommandId.UNBIND_RESP: State.UNBOUND,
}


def is_legal(sender: Role, state: State, command_id: int) -> bool:
    """Say whether `sender` may send this command in this state.

    A response is legal where the other side might have sent its request; generic_nack until CLOSED.
    """
    if command_id == CommandId.GENERIC_NACK:
        return state is not State.CLOSED
    if command_id & RESPONSE_BIT:
        return command_id & ~RESPONSE_BIT in LEGAL_REQUESTS[sender.peer, state]
    return command_id in LEGAL_REQUESTS[sender, state]


def next_state(state: State, command_id: int, status: int) -> State:
    """Return the state after this command; an error status changes nothing."""
    if status:
        return state
    return _NEXT.get(command_id, state)


_NEXT: dict[int, State] = {int(command): state for command, state in NEXT_STATE.items()}
