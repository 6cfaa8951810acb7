"""Every reason of ours as a command_status (architecture section 9); the words stand in docs/smpp.md."""

from collections.abc import Mapping
from typing import Final

from common.errors import Busy, Code, Rejected, Unavailable
from smpp.constants import CommandStatus as S

# Of the range that SMPP 3.4 leaves to vendors: nothing in the standard says that the credits are used up.
NO_CREDIT: Final = 0x400

STATUS: Final[Mapping[Code, int]] = {
    Code.MISSING_FIELD: S.ESME_RINVMSGLEN,
    Code.UNKNOWN_FIELD: S.ESME_ROPTPARNOTALLWD,
    Code.INVALID_VALUE: S.ESME_RSUBMITFAIL,
    Code.INVALID_JSON: S.ESME_RSUBMITFAIL,
    Code.TOO_LARGE: S.ESME_RINVMSGLEN,
    Code.INVALID_NUMBER: S.ESME_RINVDSTADR,
    Code.INVALID_SENDER: S.ESME_RINVSRCADR,
    Code.SENDER_NOT_ALLOWED: S.ESME_RINVSRCADR,
    Code.INVALID_ENCODING: S.ESME_RINVDCS,
    Code.TOO_MANY_PARTS: S.ESME_RINVMSGLEN,
    Code.INVALID_URL: S.ESME_RSUBMITFAIL,
    Code.INVALID_CREDENTIALS: S.ESME_RINVPASWD,
    Code.FORBIDDEN: S.ESME_RPROHIBITED,
    Code.SUSPENDED: S.ESME_RPROHIBITED,
    Code.NOT_FOUND: S.ESME_RINVMSGID,
    Code.METHOD_NOT_ALLOWED: S.ESME_RINVCMDID,
    Code.UNSUPPORTED_MEDIA: S.ESME_RINVDCS,
    Code.NO_ROUTE: S.ESME_RINVDSTADR,
    Code.NO_CREDIT: NO_CREDIT,
    Code.RATE_LIMITED: S.ESME_RTHROTTLED,
    Code.TOO_MANY_ATTEMPTS: S.ESME_RTHROTTLED,
    Code.IDEMPOTENCY_CONFLICT: S.ESME_RSUBMITFAIL,
    Code.IDEMPOTENCY_IN_FLIGHT: S.ESME_RSUBMITFAIL,
    Code.NOT_CANCELLABLE: S.ESME_RCANCELFAIL,
    Code.CONFLICT: S.ESME_RSUBMITFAIL,
    Code.BLOCKED: S.ESME_RPROHIBITED,
    Code.UNAVAILABLE: S.ESME_RSYSERR,
    Code.INTERNAL: S.ESME_RSYSERR,
}
# A value that is wrong blames the field of the PDU that it came from.
BLAME: Final[Mapping[str, int]] = {
    "to": S.ESME_RINVDSTADR,
    "from": S.ESME_RINVSRCADR,
    "content": S.ESME_RINVMSGLEN,
    "udh": S.ESME_RINVESMCLASS,
    "tlvs": S.ESME_RINVOPTPARAMVAL,
    "send_at": S.ESME_RINVSCHED,
    "validity": S.ESME_RINVEXPIRY,
    "flash": S.ESME_RINVDCS,
    "coding": S.ESME_RINVDCS,
    "traffic_class": S.ESME_RINVPRTFLG,
}
_OF_A_FIELD: Final = frozenset({Code.INVALID_VALUE, Code.MISSING_FIELD})
# What a bind is told; a wrong system_id is named by `binding`, which knows the difference.
_BIND: Final[Mapping[Code, int]] = {
    Code.FORBIDDEN: S.ESME_RBINDFAIL,
    Code.SUSPENDED: S.ESME_RBINDFAIL,
}


class Refused(Exception):
    """A request that is answered with this command_status; `reason` is for the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = int(status), reason


def status_of(problem: Rejected | Unavailable) -> int:
    """The command_status of a submit that was refused."""
    if isinstance(problem, Busy):
        return int(S.ESME_RMSGQFUL)
    if isinstance(problem, Rejected) and problem.code in _OF_A_FIELD:
        for name in problem.fields:
            if name in BLAME:
                return int(BLAME[name])
    return int(STATUS[problem.code])


def bind_status(problem: Rejected | Unavailable) -> int:
    """The command_status of a bind that was refused."""
    return int(_BIND.get(problem.code, STATUS[problem.code]))


def reason_of(problem: Rejected | Unavailable) -> str:
    """A refusal in plain words, with what is wrong in which field."""
    if not isinstance(problem, Rejected):
        return str(problem)
    details = "; ".join(f"{name}: {what}" for name, what in problem.fields.items())
    return f"{problem.message} ({details})" if details else problem.message
