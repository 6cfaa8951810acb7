"""What can go wrong with a PDU or a session, and which command_status tells the peer."""

from smpp.statuses import CommandStatus


class PduError(Exception):
    """A PDU is wrong; `command_status` is what the peer should be told."""

    def __init__(
        self,
        message: str,
        *,
        command_status: int = CommandStatus.ESME_RSYSERR,
        command_id: int = 0,
        sequence: int = 0,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.command_status = int(command_status)
        self.command_id = command_id
        self.sequence = sequence
        self.field = field


class FieldError(PduError):
    """Our own PDU cannot be encoded: `field` is too long, out of range or of a wrong type."""


class BodyError(PduError):
    """A peer's PDU has a whole frame but a wrong body: answer it, the session goes on."""


class UnknownCommand(BodyError):
    """The command_id is not one of SMPP 3.4: generic_nack with ESME_RINVCMDID, the session goes on."""


class FramingError(PduError):
    """The frame boundary is lost (command_length below 16 or above the cap): the session must end."""


class SessionError(Exception):
    """The session cannot take this request now; nothing was written and no slot is held."""


class WindowFull(SessionError):
    """As many requests are unanswered as the window allows."""


class IllegalCommand(SessionError):
    """The command is not legal for this side in this state (SMPP 3.4 §2.3)."""


class TlvsNotAllowed(SessionError):
    """The peer is older than 3.4, and the message would lose its meaning without its TLVs."""


class SessionClosed(SessionError):
    """The session has ended."""


class RequestTimeout(SessionError):
    """The peer did not answer in time."""
