"""submit_multi and data_sm seen as plain messages."""

from collections.abc import Callable

from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DistributionList, Pdu, SmeAddress, SubmitMulti, SubmitSm, UnsuccessSme
from smpp.tlvs import Tlvs

_SHARED = (
    "service_type",
    "source_addr_ton",
    "source_addr_npi",
    "source_addr",
    "esm_class",
    "registered_delivery",
    "data_coding",
)
_SHARED_BY_SUBMITS = (*_SHARED, "protocol_id", "priority_flag", "validity_period", "short_message")


def from_data_sm(pdu: DataSm) -> SubmitSm:
    """The message that a data_sm carries; its text is in message_payload."""
    single = SubmitSm(tlvs=pdu.tlvs, dest_addr_ton=pdu.dest_addr_ton, dest_addr_npi=pdu.dest_addr_npi)
    single.destination_addr = pdu.destination_addr
    for name in _SHARED:
        setattr(single, name, getattr(pdu, name))
    return single


def answer_multi(pdu: SubmitMulti, status: int, message_id: str, take: Callable[[SubmitSm], int]) -> Pdu:
    """Take each destination by itself and answer with those that failed (SMPP 3.4 §4.5.2)."""
    if status:
        return pdu.reply(status)
    failed: list[UnsuccessSme] = []
    for target in pdu.dest_addresses:
        if isinstance(target, DistributionList):
            failed.append(UnsuccessSme(0, 0, target.dl_name, int(CommandStatus.ESME_RCNTSUBDL)))
        elif refused := take(_single(pdu, target)):
            address = (target.dest_addr_ton, target.dest_addr_npi, target.destination_addr)
            failed.append(UnsuccessSme(*address, int(refused)))
    return pdu.reply(0, message_id=message_id, unsuccess_smes=failed)


def _single(pdu: SubmitMulti, target: SmeAddress) -> SubmitSm:
    single = SubmitSm(
        tlvs=Tlvs(pdu.tlvs),
        dest_addr_ton=target.dest_addr_ton,
        dest_addr_npi=target.dest_addr_npi,
        destination_addr=target.destination_addr,
    )
    for name in _SHARED_BY_SUBMITS:
        setattr(single, name, getattr(pdu, name))
    return single
