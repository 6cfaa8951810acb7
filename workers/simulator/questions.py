"""query_sm, cancel_sm and replace_sm (SMPP 3.4 §4.8 to §4.10) on the messages still kept."""

from datetime import UTC, datetime, timedelta

from smpp.constants import CommandStatus, MessageState
from smpp.pdu import CancelSm, Pdu, QuerySm, ReplaceSm
from workers.simulator.carrier import Carrier
from workers.simulator.messages import Message


def query(carrier: Carrier, pdu: QuerySm) -> Pdu:
    """The state of one message; ESME_RQUERYFAIL if it is unknown or another sender's."""
    message = carrier.record.get(pdu.message_id)
    if message is None or (pdu.source_addr and pdu.source_addr != message.source):
        return pdu.reply(CommandStatus.ESME_RQUERYFAIL)
    now = carrier.now()
    state = message.state_at(now)
    ended = "" if state == MessageState.ENROUTE else _final_date(message, now)
    error = int(message.err) if ended and message.err.isdigit() else 0
    return pdu.reply(0, message_id=pdu.message_id, final_date=ended, message_state=int(state), error_code=error)


def _final_date(message: Message, now: float) -> str:
    ended = datetime.now(UTC) - timedelta(seconds=now - message.ends_at)
    return ended.strftime("%y%m%d%H%M%S000+")


def cancel(carrier: Carrier, pdu: CancelSm) -> Pdu:
    """End one message, or without an id all from this source to this destination, as DELETED."""
    now = carrier.now()
    found = [message for message in _meant(carrier, pdu) if message.state_at(now) == MessageState.ENROUTE]
    if not found:
        unknown = pdu.message_id and carrier.record.get(pdu.message_id) is None
        return pdu.reply(CommandStatus.ESME_RINVMSGID if unknown else CommandStatus.ESME_RCANCELFAIL)
    for message in found:
        # Its receipt is planned already and will say so.
        message.outcome, message.err, message.ends_at = MessageState.DELETED, "000", now
    return pdu.reply(0)


def _meant(carrier: Carrier, pdu: CancelSm) -> list[Message]:
    if pdu.message_id:
        message = carrier.record.get(pdu.message_id)
        return [message] if message is not None and pdu.source_addr in ("", message.source) else []
    return [
        message
        for message in carrier.record
        if message.source == pdu.source_addr and message.destination == pdu.destination_addr
    ]


def replace_text(carrier: Carrier, pdu: ReplaceSm) -> Pdu:
    """Give a message that is still on its way another text and receipt wish."""
    message = carrier.record.get(pdu.message_id)
    if message is None:
        return pdu.reply(CommandStatus.ESME_RINVMSGID)
    if message.source != pdu.source_addr or message.state_at(carrier.now()) != MessageState.ENROUTE:
        return pdu.reply(CommandStatus.ESME_RREPLACEFAIL)
    message.pdu.short_message = pdu.short_message
    message.pdu.registered_delivery = pdu.registered_delivery
    return pdu.reply(0)
