"""What a command_status means for the message and the link: try again, elsewhere, or never."""

from enum import Enum

from smpp.statuses import CommandStatus as S


class StatusClass(Enum):
    """The action that a status calls for.

    THROTTLE slows the connector down; BUSY pauses it; TEMPORARY tries again here, then elsewhere; ROUTE
    tries elsewhere only; PERMANENT fails the message; SESSION recycles the link and keeps the message;
    BIND is a matter of credentials.
    """

    OK = "ok"
    THROTTLE = "throttle"
    BUSY = "busy"
    TEMPORARY = "temporary"
    ROUTE = "route"
    PERMANENT = "permanent"
    SESSION = "session"
    BIND = "bind"


_CODES: dict[StatusClass, tuple[S, ...]] = {
    StatusClass.OK: (S.ESME_ROK,),
    StatusClass.THROTTLE: (S.ESME_RTHROTTLED,),
    StatusClass.BUSY: (S.ESME_RMSGQFUL,),
    StatusClass.TEMPORARY: (
        S.ESME_RSYSERR,
        S.ESME_RX_T_APPN,
        S.ESME_RUNKNOWNERR,
        S.ESME_RSUBMITFAIL,
        S.ESME_RDELIVERYFAILURE,
    ),
    StatusClass.ROUTE: (
        S.ESME_RINVSRCADR,
        S.ESME_RINVSRCTON,
        S.ESME_RINVSRCNPI,
        S.ESME_RINVSERTYP,
        S.ESME_RINVESMCLASS,
        S.ESME_RINVPRTFLG,
        S.ESME_RINVREGDLVFLG,
        S.ESME_RINVREPFLAG,
        S.ESME_RINVSCHED,
        S.ESME_RINVEXPIRY,
        S.ESME_RINVDFTMSGID,
        S.ESME_RINVOPTPARSTREAM,
        S.ESME_ROPTPARNOTALLWD,
        S.ESME_RINVPARLEN,
        S.ESME_RMISSINGOPTPARAM,
        S.ESME_RINVOPTPARAMVAL,
        S.ESME_RSERTYPUNAUTH,
        S.ESME_RPROHIBITED,
        S.ESME_RSERTYPUNAVAIL,
        S.ESME_RSERTYPDENIED,
        S.ESME_RINVDCS,
    ),
    StatusClass.PERMANENT: (
        S.ESME_RINVDSTADR,
        S.ESME_RINVMSGLEN,
        S.ESME_RINVDSTTON,
        S.ESME_RINVDSTNPI,
        S.ESME_RX_P_APPN,
        S.ESME_RX_R_APPN,
        S.ESME_RINVNUMDESTS,
        S.ESME_RINVDLNAME,
        S.ESME_RINVDESTFLAG,
        S.ESME_RINVSUBREP,
        S.ESME_RCNTSUBDL,
        S.ESME_RINVNUMMSGS,
        S.ESME_RINVMSGID,
        S.ESME_RCANCELFAIL,
        S.ESME_RREPLACEFAIL,
        S.ESME_RQUERYFAIL,
    ),
    StatusClass.SESSION: (S.ESME_RINVBNDSTS, S.ESME_RALYBND, S.ESME_RINVCMDLEN, S.ESME_RINVCMDID),
    StatusClass.BIND: (S.ESME_RBINDFAIL, S.ESME_RINVPASWD, S.ESME_RINVSYSID, S.ESME_RINVSYSTYP),
}

DEFAULT_CLASSES: dict[int, StatusClass] = {
    int(code): status_class for status_class, codes in _CODES.items() for code in codes
}


def classify(status: int) -> StatusClass:
    """Return the class of `status`.

    A vendor's or reserved value counts as ROUTE: another carrier may take the message, and repeating it here would
    only cost tries.
    """
    return DEFAULT_CLASSES.get(status, StatusClass.ROUTE)
