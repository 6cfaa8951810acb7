"""Requests of clients as commands of the intake: pure translation, which refuses what a command cannot say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.snapshot import SmppClientView
from common.ids import new_id
from common.queues import Lane
from messaging import tlv_names
from messaging.commands import SubmitCommand
from messaging.esme import SubmitNotes
from messaging.preparation import LONGEST_VALIDITY
from smpp.constants import CommandStatus as S
from smpp.constants import EsmClass, Npi, RegisteredDelivery, Tag, Ton
from smpp.pdu import DataSm, DistributionList, Pdu, ReplaceSm, SmeAddress, SubmitMulti, SubmitSm, tlv_faults
from smpp.times import parse_time
from smpp.tlvs import Tlvs
from workers.smpp_server.reading import UserData, read_user_data
from workers.smpp_server.status import Refused

_KNOWN_BITS: Final = RegisteredDelivery.RECEIPT_MASK | RegisteredDelivery.INTERMEDIATE
_HIGHEST_PRIORITY: Final = 3
_USUAL: Final = (int(Ton.INTERNATIONAL), int(Npi.ISDN))
# Read by us, or of receipts and binds: they do not travel with the message.
_OURS: Final = frozenset(
    {
        Tag.MESSAGE_PAYLOAD,
        Tag.SAR_MSG_REF_NUM,
        Tag.SAR_TOTAL_SEGMENTS,
        Tag.SAR_SEGMENT_SEQNUM,
        Tag.MORE_MESSAGES_TO_SEND,
        Tag.USER_MESSAGE_REFERENCE,
        Tag.QOS_TIME_TO_LIVE,
        Tag.RECEIPTED_MESSAGE_ID,
        Tag.MESSAGE_STATE,
        Tag.NETWORK_ERROR_CODE,
        Tag.SC_INTERFACE_VERSION,
    }
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One number as the PDU has it."""

    value: str
    ton: int
    npi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    send_at: datetime | None = None
    validity: int | None = None
    ends_by_clock: bool = False


def of_submit_sm(pdu: SubmitSm, client: SmppClientView, now: datetime) -> SubmitCommand:
    """The command of a submit_sm; raises Refused."""
    _check_flags(pdu)
    to = Recipient(pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi)
    return _command(pdu, client, to, _user_data(pdu, client), _times(pdu, now), priority=pdu.priority_flag)


def of_submit_multi(
    pdu: SubmitMulti, client: SmppClientView, now: datetime
) -> tuple[UUID, list[tuple[SmeAddress, SubmitCommand]]]:
    """The id that answers a submit_multi, and a command for each number; raises Refused."""
    _check_flags(pdu)
    if not pdu.dest_addresses:
        raise Refused(S.ESME_RINVNUMDESTS, "a submit_multi without destinations")
    data, times = _user_data(pdu, client), _times(pdu, now)
    # In one go, because they are looked for close together; the first one is found under the id of them all.
    ids = [new_id() for _ in pdu.dest_addresses]
    found = []
    for message_id, address in zip(ids, pdu.dest_addresses, strict=True):
        if isinstance(address, DistributionList):
            raise Refused(S.ESME_RCNTSUBDL, "distribution lists are not kept here")
        to = Recipient(address.destination_addr, address.dest_addr_ton, address.dest_addr_npi)
        command = _command(
            pdu,
            client,
            to,
            data,
            times,
            priority=pdu.priority_flag,
            group=ids[0],
            message_id=message_id,
        )
        found.append((address, command))
    return ids[0], found


def of_data_sm(pdu: DataSm, client: SmppClientView, now: datetime) -> SubmitCommand:
    """The command of a data_sm; raises Refused."""
    seconds = pdu.tlvs.integer(Tag.QOS_TIME_TO_LIVE)
    if seconds == 0:
        raise Refused(S.ESME_RINVOPTPARAMVAL, "qos_time_to_live of 0")
    times = _Times(validity=None if seconds is None else min(seconds, LONGEST_VALIDITY))
    to = Recipient(pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi)
    return _command(pdu, client, to, _user_data(pdu, client), times)


def _command(
    pdu: SubmitSm | SubmitMulti | DataSm,
    client: SmppClientView,
    to: Recipient,
    data: UserData,
    times: _Times,
    *,
    priority: int = 0,
    group: UUID | None = None,
    message_id: UUID | None = None,
) -> SubmitCommand:
    registered, tlvs = registered_of(pdu), pdu.tlvs
    notes = SubmitNotes(
        registered=registered,
        id_style=client.id_style,
        group=group,
        reference=tlvs.integer(Tag.USER_MESSAGE_REFERENCE) if tlvs else None,
        source=(pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) if pdu.source_addr else None,
        destination=None if (to.ton, to.npi) == _USUAL else (to.ton, to.npi),
        data_coding=data.data_coding,
        protocol_id=getattr(pdu, "protocol_id", 0),
        own_alphabet=data.coding is None,
        ends_by_clock=times.ends_by_clock,
    )
    return SubmitCommand(
        account=client.account,
        smpp_client=client,
        source="smpp",
        to=to.value,
        sender=pdu.source_addr or None,
        content=data.content,
        binary=data.binary,
        coding=data.coding,
        flash=data.flash,
        udh=data.udh,
        send_at=times.send_at,
        validity=times.validity,
        dlr=bool(registered),
        # 3 is the highest; to a client that may not use the lane it means nothing more than "soon".
        traffic_class=Lane.OTP if priority == _HIGHEST_PRIORITY and client.otp_allowed else None,
        tlvs=_carried(tlvs) if tlvs else None,
        notes=notes,
        message_id=message_id,
    )


def registered_of(pdu: SubmitSm | SubmitMulti | DataSm | ReplaceSm) -> int:
    """The bits of registered_delivery that we know; raises Refused."""
    registered = pdu.registered_delivery & _KNOWN_BITS
    if registered & RegisteredDelivery.RECEIPT_MASK == RegisteredDelivery.RECEIPT_MASK:
        raise Refused(S.ESME_RINVREGDLVFLG, "registered_delivery 3 is reserved")
    return registered


def _check_flags(pdu: SubmitSm | SubmitMulti) -> None:
    if pdu.priority_flag > _HIGHEST_PRIORITY:
        raise Refused(S.ESME_RINVPRTFLG, f"priority_flag {pdu.priority_flag}")
    if pdu.replace_if_present_flag > 1:
        raise Refused(S.ESME_RINVREPFLAG, f"replace_if_present_flag {pdu.replace_if_present_flag}")
    if pdu.sm_default_msg_id:
        raise Refused(S.ESME_RINVDFTMSGID, "there are no predefined messages")


def _user_data(pdu: SubmitSm | SubmitMulti | DataSm, client: SmppClientView) -> UserData:
    if pdu.esm_class & EsmClass.TYPE_MASK:
        raise Refused(S.ESME_RINVESMCLASS, "acknowledgements by the client are not carried")
    if pdu.tlvs and (wrong := tlv_faults(pdu)):
        raise Refused(S.ESME_RINVPARLEN, f"TLV 0x{wrong[0]:04x} has a wrong length")
    octets: bytes = getattr(pdu, "short_message", b"")
    payload = pdu.tlvs.raw(Tag.MESSAGE_PAYLOAD) if pdu.tlvs else None
    if payload and octets:
        raise Refused(S.ESME_RINVMSGLEN, "short_message and message_payload at once")
    return read_user_data(
        octets or payload or b"", pdu.esm_class, pdu.data_coding, pdu.tlvs, alphabet=client.default_alphabet
    )


def _times(pdu: SubmitSm | SubmitMulti, now: datetime) -> _Times:
    send_at = moment(pdu.schedule_delivery_time, now, S.ESME_RINVSCHED)
    ends = moment(pdu.validity_period, now, S.ESME_RINVEXPIRY)
    if ends is None:
        return _Times(send_at=send_at)
    begins = max(send_at, now) if send_at else now
    relative = pdu.validity_period.endswith("R")
    if relative:  # counted from the sending, as the network counts it
        ends += begins - now
    seconds = round((ends - begins) / timedelta(seconds=1))
    if seconds <= 0:
        raise Refused(S.ESME_RINVEXPIRY, "the validity ends before the sending")
    # Networks keep a text for a week at most, whatever they are asked.
    return _Times(send_at=send_at, validity=min(seconds, LONGEST_VALIDITY), ends_by_clock=not relative)


def moment(text: str, now: datetime, status: int) -> datetime | None:
    """What an SMPP time means now, None for an empty one; raises Refused with the status."""
    try:
        return parse_time(text, now=now)
    except (ValueError, OverflowError) as error:
        raise Refused(status, f"{text!r} is no time") from error


def _carried(tlvs: Tlvs) -> dict[str, str | int] | None:
    """The parameters that go on to the carrier, under their tags."""
    carried: dict[str, str | int] = {}
    for tag, raw in tlvs:
        if tag not in _OURS:
            name, value = tlv_names.kept(tag, raw)
            carried[name] = value
    return carried or None


def ids_of(pdu: Pdu) -> str:
    """The message_id that a request names."""
    return str(getattr(pdu, "message_id", ""))
