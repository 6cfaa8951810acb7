"""Every PDU of SMPP 3.4 as a table of fields in wire order (§4.1 to §4.12)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from smpp.constants import RESPONSE_BIT, VERSION_34, CommandId
from smpp.fields import cstring, destinations, failures, int8, octets8
from smpp.statuses import CommandStatus
from smpp.tlvs import Tlvs, tlv_size_faults

_ADDRESS = 21
_MESSAGE_ID = 65
_TIME = 17


def _source() -> Any:
    return cstring(_ADDRESS, status=CommandStatus.ESME_RINVSRCADR)


def _destination() -> Any:
    return cstring(_ADDRESS, status=CommandStatus.ESME_RINVDSTADR)


def _service_type() -> Any:
    return cstring(6, status=CommandStatus.ESME_RINVSERTYP)


def _message_id() -> Any:
    return cstring(_MESSAGE_ID, status=CommandStatus.ESME_RINVMSGID)


def _system_id() -> Any:
    return cstring(16, status=CommandStatus.ESME_RINVSYSID)


def _password() -> Any:
    # Eight characters by the specification; many vendors hand out longer ones.
    return cstring(9, accepted=65, status=CommandStatus.ESME_RINVPASWD)


@dataclass(slots=True, kw_only=True)
class Pdu:
    """What every PDU has; `sequence` 0 means "not given yet"."""

    command_id: ClassVar[int] = 0
    name: ClassVar[str] = ""
    is_response: ClassVar[bool] = False

    sequence: int = 0
    status: int = 0
    tlvs: Tlvs = field(default_factory=Tlvs)

    def reply(self, status: int = 0, **fields: Any) -> "Pdu":
        """Return the matching response with the same sequence; generic_nack where there is none."""
        response = PDU_CLASSES.get(self.command_id | RESPONSE_BIT, GenericNack)
        return response(sequence=self.sequence, status=int(status), **fields)


@dataclass(slots=True)
class _Bind(Pdu):
    system_id: str = _system_id()
    password: str = _password()
    system_type: str = cstring(13, status=CommandStatus.ESME_RINVSYSTYP)
    interface_version: int = int8(VERSION_34)
    addr_ton: int = int8()
    addr_npi: int = int8()
    address_range: str = cstring(41)


@dataclass(slots=True)
class _BindResp(Pdu):
    system_id: str = _system_id()


@dataclass(slots=True)
class BindReceiver(_Bind):
    pass


@dataclass(slots=True)
class BindReceiverResp(_BindResp):
    pass


@dataclass(slots=True)
class BindTransmitter(_Bind):
    pass


@dataclass(slots=True)
class BindTransmitterResp(_BindResp):
    pass


@dataclass(slots=True)
class BindTransceiver(_Bind):
    pass


@dataclass(slots=True)
class BindTransceiverResp(_BindResp):
    pass


@dataclass(slots=True)
class Outbind(Pdu):
    system_id: str = _system_id()
    password: str = _password()


@dataclass(slots=True)
class Unbind(Pdu):
    pass


@dataclass(slots=True)
class UnbindResp(Pdu):
    pass


@dataclass(slots=True)
class EnquireLink(Pdu):
    pass


@dataclass(slots=True)
class EnquireLinkResp(Pdu):
    pass


@dataclass(slots=True)
class GenericNack(Pdu):
    pass


@dataclass(slots=True)
class _ShortMessage(Pdu):
    service_type: str = _service_type()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = _source()
    dest_addr_ton: int = int8()
    dest_addr_npi: int = int8()
    destination_addr: str = _destination()
    esm_class: int = int8()
    protocol_id: int = int8()
    priority_flag: int = int8()
    schedule_delivery_time: str = cstring(_TIME, status=CommandStatus.ESME_RINVSCHED)
    validity_period: str = cstring(_TIME, status=CommandStatus.ESME_RINVEXPIRY)
    registered_delivery: int = int8()
    replace_if_present_flag: int = int8()
    data_coding: int = int8()
    sm_default_msg_id: int = int8()
    short_message: bytes = octets8(254)


@dataclass(slots=True)
class _MessageIdResp(Pdu):
    message_id: str = _message_id()


@dataclass(slots=True)
class SubmitSm(_ShortMessage):
    pass


@dataclass(slots=True)
class SubmitSmResp(_MessageIdResp):
    pass


@dataclass(slots=True)
class DeliverSm(_ShortMessage):
    pass


@dataclass(slots=True)
class DeliverSmResp(_MessageIdResp):
    pass


@dataclass(slots=True)
class SmeAddress:
    """One number in a submit_multi (dest_flag 1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@dataclass(slots=True)
class DistributionList:
    """One distribution list in a submit_multi (dest_flag 2)."""

    dl_name: str = ""


@dataclass(slots=True)
class UnsuccessSme:
    """One number that a submit_multi did not reach, and the command_status of that number."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


@dataclass(slots=True)
class SubmitMulti(Pdu):
    service_type: str = _service_type()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = _source()
    dest_addresses: list[SmeAddress | DistributionList] = destinations()  # noqa: RUF009
    esm_class: int = int8()
    protocol_id: int = int8()
    priority_flag: int = int8()
    schedule_delivery_time: str = cstring(_TIME, status=CommandStatus.ESME_RINVSCHED)
    validity_period: str = cstring(_TIME, status=CommandStatus.ESME_RINVEXPIRY)
    registered_delivery: int = int8()
    replace_if_present_flag: int = int8()
    data_coding: int = int8()
    sm_default_msg_id: int = int8()
    short_message: bytes = octets8(254)


@dataclass(slots=True)
class SubmitMultiResp(Pdu):
    message_id: str = _message_id()
    unsuccess_smes: list[UnsuccessSme] = failures()  # noqa: RUF009


@dataclass(slots=True)
class DataSm(Pdu):
    service_type: str = _service_type()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = cstring(65, status=CommandStatus.ESME_RINVSRCADR)
    dest_addr_ton: int = int8()
    dest_addr_npi: int = int8()
    destination_addr: str = cstring(65, status=CommandStatus.ESME_RINVDSTADR)
    esm_class: int = int8()
    registered_delivery: int = int8()
    data_coding: int = int8()


@dataclass(slots=True)
class DataSmResp(_MessageIdResp):
    pass


@dataclass(slots=True)
class QuerySm(Pdu):
    message_id: str = _message_id()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = _source()


@dataclass(slots=True)
class QuerySmResp(Pdu):
    message_id: str = _message_id()
    final_date: str = cstring(_TIME)
    message_state: int = int8()
    error_code: int = int8()


@dataclass(slots=True)
class CancelSm(Pdu):
    service_type: str = _service_type()
    message_id: str = _message_id()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = _source()
    dest_addr_ton: int = int8()
    dest_addr_npi: int = int8()
    destination_addr: str = _destination()


@dataclass(slots=True)
class CancelSmResp(Pdu):
    pass


@dataclass(slots=True)
class ReplaceSm(Pdu):
    message_id: str = _message_id()
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = _source()
    schedule_delivery_time: str = cstring(_TIME, status=CommandStatus.ESME_RINVSCHED)
    validity_period: str = cstring(_TIME, status=CommandStatus.ESME_RINVEXPIRY)
    registered_delivery: int = int8()
    sm_default_msg_id: int = int8()
    short_message: bytes = octets8(254)


@dataclass(slots=True)
class ReplaceSmResp(Pdu):
    pass


@dataclass(slots=True)
class AlertNotification(Pdu):
    source_addr_ton: int = int8()
    source_addr_npi: int = int8()
    source_addr: str = cstring(65, status=CommandStatus.ESME_RINVSRCADR)
    esme_addr_ton: int = int8()
    esme_addr_npi: int = int8()
    esme_addr: str = cstring(65, status=CommandStatus.ESME_RINVDSTADR)


def _class_of(command: CommandId) -> type[Pdu]:
    """Give the class named like the command its numbers: BIND_RECEIVER_RESP is BindReceiverResp."""
    cls: type[Pdu] = globals()["".join(word.capitalize() for word in command.name.split("_"))]
    cls.command_id = int(command)
    cls.name = command.name.lower()
    cls.is_response = bool(command & RESPONSE_BIT)
    return cls


PDU_CLASSES: dict[int, type[Pdu]] = {int(command): _class_of(command) for command in CommandId}
BIND_COMMANDS = frozenset({CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER})
# These have no response (SMPP 3.4 §4.1.7 and §4.12).
WITHOUT_RESPONSE = frozenset({int(CommandId.OUTBIND), int(CommandId.ALERT_NOTIFICATION)})


def tlv_faults(pdu: Pdu) -> list[int]:
    """Return the tags of this PDU whose length breaks the table."""
    return tlv_size_faults(pdu.tlvs)
