"""The settings of one session; every time is in seconds."""

from dataclasses import dataclass
from enum import StrEnum

from smpp.constants import DEFAULT_MAX_FRAME, VERSION_34


class SendTlvs(StrEnum):
    """Whether we write optional parameters: by the peer's version, always, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Limits and timers of a session; 0 switches a limit or an optional timer off.

    `window`: our unanswered requests; `incoming_window`: the peer's (above it: ESME_RTHROTTLED).
    `enquire_link_seconds`: silence of the peer after which we ask whether it lives.
    `inactivity_seconds`: silence of the peer (no PDU at all) after which the session ends.
    `unbind_hold_seconds`: how long the peer's unbind waits for the answers that we owe him; 0: he is answered at once.
    `allow_long_password`: write what many vendors demand and SMPP 3.4 §5.2.2 forbids.
    """

    window: int = 10
    incoming_window: int = 0
    session_init_seconds: float = 30.0
    enquire_link_seconds: float = 30.0
    enquire_link_response_seconds: float = 10.0
    response_seconds: float = 60.0
    inactivity_seconds: float = 300.0
    partial_pdu_seconds: float = 10.0
    unbind_response_seconds: float = 5.0
    unbind_hold_seconds: float = 0.0
    max_frame: int = DEFAULT_MAX_FRAME
    interface_version: int = VERSION_34
    send_tlvs: SendTlvs | str = SendTlvs.AUTO
    allow_long_password: bool = False
