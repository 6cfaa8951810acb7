"""command_status values with their names and meanings (SMPP 3.4 §5.1.3)."""

from enum import IntEnum


class CommandStatus(IntEnum):
    """The standard values of SMPP 3.4; vendors add their own from 0x400 to 0x4FF."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVCMDLEN = 0x02
    ESME_RINVCMDID = 0x03
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RINVPRTFLG = 0x06
    ESME_RINVREGDLVFLG = 0x07
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RINVMSGID = 0x0C
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RCANCELFAIL = 0x11
    ESME_RREPLACEFAIL = 0x13
    ESME_RMSGQFUL = 0x14
    ESME_RINVSERTYP = 0x15
    ESME_RINVNUMDESTS = 0x33
    ESME_RINVDLNAME = 0x34
    ESME_RINVDESTFLAG = 0x40
    ESME_RINVSUBREP = 0x42
    ESME_RINVESMCLASS = 0x43
    ESME_RCNTSUBDL = 0x44
    ESME_RSUBMITFAIL = 0x45
    ESME_RINVSRCTON = 0x48
    ESME_RINVSRCNPI = 0x49
    ESME_RINVDSTTON = 0x50
    ESME_RINVDSTNPI = 0x51
    ESME_RINVSYSTYP = 0x53
    ESME_RINVREPFLAG = 0x54
    ESME_RINVNUMMSGS = 0x55
    ESME_RTHROTTLED = 0x58
    ESME_RINVSCHED = 0x61
    ESME_RINVEXPIRY = 0x62
    ESME_RINVDFTMSGID = 0x63
    ESME_RX_T_APPN = 0x64
    ESME_RX_P_APPN = 0x65
    ESME_RX_R_APPN = 0x66
    ESME_RQUERYFAIL = 0x67
    ESME_RINVOPTPARSTREAM = 0xC0
    ESME_ROPTPARNOTALLWD = 0xC1
    ESME_RINVPARLEN = 0xC2
    ESME_RMISSINGOPTPARAM = 0xC3
    ESME_RINVOPTPARAMVAL = 0xC4
    ESME_RDELIVERYFAILURE = 0xFE
    ESME_RUNKNOWNERR = 0xFF
    # SMPP 5.0, seen from 3.4 peers too.
    ESME_RSERTYPUNAUTH = 0x100
    ESME_RPROHIBITED = 0x101
    ESME_RSERTYPUNAVAIL = 0x102
    ESME_RSERTYPDENIED = 0x103
    ESME_RINVDCS = 0x104


STATUS_TEXT: dict[int, str] = {
    CommandStatus.ESME_ROK: "No error",
    CommandStatus.ESME_RINVMSGLEN: "The message length is wrong",
    CommandStatus.ESME_RINVCMDLEN: "The PDU length is wrong",
    CommandStatus.ESME_RINVCMDID: "The command is unknown or not supported",
    CommandStatus.ESME_RINVBNDSTS: "The command is not allowed in this bind state",
    CommandStatus.ESME_RALYBND: "The session is already bound",
    CommandStatus.ESME_RINVPRTFLG: "The priority flag is wrong",
    CommandStatus.ESME_RINVREGDLVFLG: "The registered delivery flag is wrong",
    CommandStatus.ESME_RSYSERR: "System error on the other side",
    CommandStatus.ESME_RINVSRCADR: "The source address is wrong or not allowed",
    CommandStatus.ESME_RINVDSTADR: "The destination address is wrong",
    CommandStatus.ESME_RINVMSGID: "The message id is wrong or unknown",
    CommandStatus.ESME_RBINDFAIL: "The bind failed",
    CommandStatus.ESME_RINVPASWD: "The password is wrong",
    CommandStatus.ESME_RINVSYSID: "The system id is wrong",
    CommandStatus.ESME_RCANCELFAIL: "The message could not be cancelled",
    CommandStatus.ESME_RREPLACEFAIL: "The message could not be replaced",
    CommandStatus.ESME_RMSGQFUL: "The message queue is full",
    CommandStatus.ESME_RINVSERTYP: "The service type is wrong",
    CommandStatus.ESME_RINVNUMDESTS: "The number of destinations is wrong",
    CommandStatus.ESME_RINVDLNAME: "The distribution list name is wrong",
    CommandStatus.ESME_RINVDESTFLAG: "The destination flag of a submit_multi is wrong",
    CommandStatus.ESME_RINVSUBREP: "Replace-if-present is not possible for this request",
    CommandStatus.ESME_RINVESMCLASS: "The esm_class is wrong",
    CommandStatus.ESME_RCNTSUBDL: "Submitting to a distribution list is not possible",
    CommandStatus.ESME_RSUBMITFAIL: "The submit failed",
    CommandStatus.ESME_RINVSRCTON: "The type of number of the source is wrong",
    CommandStatus.ESME_RINVSRCNPI: "The numbering plan of the source is wrong",
    CommandStatus.ESME_RINVDSTTON: "The type of number of the destination is wrong",
    CommandStatus.ESME_RINVDSTNPI: "The numbering plan of the destination is wrong",
    CommandStatus.ESME_RINVSYSTYP: "The system type is wrong",
    CommandStatus.ESME_RINVREPFLAG: "The replace-if-present flag is wrong",
    CommandStatus.ESME_RINVNUMMSGS: "The number of messages is wrong",
    CommandStatus.ESME_RTHROTTLED: "Too fast: the agreed rate is exceeded",
    CommandStatus.ESME_RINVSCHED: "The scheduled delivery time is wrong",
    CommandStatus.ESME_RINVEXPIRY: "The validity period is wrong",
    CommandStatus.ESME_RINVDFTMSGID: "The predefined message does not exist",
    CommandStatus.ESME_RX_T_APPN: "Temporary error of the receiving application",
    CommandStatus.ESME_RX_P_APPN: "Permanent error of the receiving application",
    CommandStatus.ESME_RX_R_APPN: "The receiving application rejected the message",
    CommandStatus.ESME_RQUERYFAIL: "The query failed",
    CommandStatus.ESME_RINVOPTPARSTREAM: "The optional part of the PDU is broken",
    CommandStatus.ESME_ROPTPARNOTALLWD: "An optional parameter is not allowed",
    CommandStatus.ESME_RINVPARLEN: "A parameter has a wrong length",
    CommandStatus.ESME_RMISSINGOPTPARAM: "An expected optional parameter is missing",
    CommandStatus.ESME_RINVOPTPARAMVAL: "An optional parameter has a wrong value",
    CommandStatus.ESME_RDELIVERYFAILURE: "The delivery failed (data_sm)",
    CommandStatus.ESME_RUNKNOWNERR: "Unknown error",
    CommandStatus.ESME_RSERTYPUNAUTH: "Not authorised to use this service type",
    CommandStatus.ESME_RPROHIBITED: "Not authorised to use this operation",
    CommandStatus.ESME_RSERTYPUNAVAIL: "The service type is not available",
    CommandStatus.ESME_RSERTYPDENIED: "The service type is denied",
    CommandStatus.ESME_RINVDCS: "The data coding is wrong or not supported",
}


def status_name(status: int) -> str:
    """Return the name of the specification, or the value in hex for a vendor's own status."""
    try:
        return CommandStatus(status).name
    except ValueError:
        return f"0x{status:08X}"


def status_text(status: int) -> str:
    """Return one short English sentence for people."""
    if 0x400 <= status <= 0x4FF:
        return "Vendor-specific error"
    return STATUS_TEXT.get(status, "Reserved value")
