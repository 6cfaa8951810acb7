"""When the receipts of a message leave, and in which shape."""

from datetime import UTC, datetime

from smpp.constants import MessageState, RegisteredDelivery
from smpp.pdu import DeliverSm
from workers.simulator.carrier import Carrier
from workers.simulator.drafts import Draft
from workers.simulator.mailbox import Outgoing
from workers.simulator.messages import Message
from workers.simulator.styles import INTERMEDIATE

# The answer waits this long behind a receipt that must overtake it; a wrong PDU leads its receipt by as much.
OVERTAKE_SECONDS = 0.05


class Receipts:
    """Writes the receipts of accepted messages and posts them to the customer's mailbox."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def promise(self, message: Message, answer_at: float) -> float:
        """Plan the end of the message and its receipts; return when the answer may leave (loop seconds)."""
        carrier, styles = self._carrier, message.styles
        late = sum(style.wait for style in styles) * carrier.config.time_scale
        before = any(style.moment == "before" for style in styles)
        if before:
            message.ends_at, answer_at = message.at, answer_at + OVERTAKE_SECONDS
        else:
            message.ends_at = answer_at + late + carrier.config.receipt_delay.sample(carrier.dice)
        if message.pdu.registered_delivery and not any(style.moment == "never" for style in styles):
            carrier.schedule.at(message.ends_at, self.send, message)
        return answer_at

    def send(self, message: Message) -> None:
        """Post every receipt that the customer asked for, shaped by the message's styles."""
        if not _wanted(message):
            return
        drafts = [_draft(message)]
        if message.pdu.registered_delivery & RegisteredDelivery.INTERMEDIATE:
            INTERMEDIATE(drafts)
        for style in message.styles:
            if style.shape is not None:
                style.shape(drafts)
        for draft in drafts:
            if draft.delay:
                self._carrier.schedule.at(self._carrier.now() + draft.delay, self._post, message, draft)
            else:
                self._post(message, draft)

    def _post(self, message: Message, draft: Draft) -> None:
        config = self._carrier.config
        box = self._carrier.mailbox(config.receipt_system_id or message.system_id)
        elsewhere = any(style.other_bind for style in message.styles)
        target = "other" if elsewhere else config.receipt_target
        wrong, draft.wrong_bytes = draft.wrong(), ""
        if wrong:
            box.post(Outgoing(None, raw=wrong, kind="raw", origin=message.session, target=target))
            self._carrier.schedule.at(self._carrier.now() + OVERTAKE_SECONDS, self._post, message, draft)
        else:
            box.post(Outgoing(draft.pdu(), origin=message.session, target=target))


def _wanted(message: Message) -> bool:
    """What registered_delivery asks for (SMPP 3.4 §5.2.17); 3 is "success only" since 5.0."""
    asked = message.pdu.registered_delivery & RegisteredDelivery.RECEIPT_MASK
    delivered = message.outcome == MessageState.DELIVERED
    return asked == 1 or (asked == 2 and not delivered) or (asked == 3 and delivered)


def _draft(message: Message) -> Draft:
    pdu = message.pdu
    return Draft(
        id_text=message.message_id,
        id_tlv=message.message_id,
        state=message.outcome,
        err=message.err,
        submitted=message.received_at,
        done=datetime.now(UTC),
        source=pdu.source_addr,
        source_ton=pdu.source_addr_ton,
        source_npi=pdu.source_addr_npi,
        destination=pdu.destination_addr,
        destination_ton=pdu.dest_addr_ton,
        destination_npi=pdu.dest_addr_npi,
        text=message.text[:20],
    )


def free_receipt(*, source: str, destination: str, text: str) -> DeliverSm:
    """A receipt with exactly this text, for whatever no style writes."""
    return DeliverSm(
        source_addr=source, destination_addr=destination, esm_class=4, short_message=text.encode("latin-1")
    )
