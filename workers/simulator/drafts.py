"""One receipt before it is written: what styles reshape, and how it becomes a PDU.

Written without smpp.receipts on purpose: the gateway's reader must not be tested against its own writer.
"""

from dataclasses import dataclass
from datetime import datetime
from struct import pack

from common.gsm import encode_ucs2
from smpp.constants import CommandId, EsmClass, MessageState, Tag
from smpp.pdu import DataSm, DeliverSm

STAT_WORDS: dict[int, str] = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}
_GSM_NETWORK = 3


@dataclass(slots=True, kw_only=True)
class Draft:
    """A receipt to be. Source and destination are those of the message; the receipt travels the other way.

    `carrier`: short (short_message), payload (message_payload TLV) or none. `delay`: seconds after the moment
    of the first receipt. `wrong_bytes`: garbage, cut or broken_frame written in front of it, filled with `noise`.
    """

    id_text: str
    id_tlv: str
    state: int
    err: str
    submitted: datetime
    done: datetime
    source: str
    source_ton: int
    source_npi: int
    destination: str
    destination_ton: int
    destination_npi: int
    text: str = ""
    stat: str = ""
    date_format: str = "%y%m%d%H%M"
    zero_done: bool = False
    labels: tuple[str, str, str] = ("submit date", "done date", "text")
    with_counts: bool = True
    separator: str = " "
    data_coding: int = 0
    carrier: str = "short"
    esm: int = EsmClass.SMSC_RECEIPT
    with_id_tlv: bool = True
    with_state_tlv: bool = True
    as_data_sm: bool = False
    wrong_bytes: str = ""
    noise: bytes = b""
    delay: float = 0.0

    def line(self) -> str:
        """The text of the receipt (SMPP 3.4 appendix B)."""
        done = self.done.strftime(self.date_format)
        delivered = "001" if self.state == MessageState.DELIVERED else "000"
        counts = ["sub:001", f"dlvrd:{delivered}"] if self.with_counts else []
        return self.separator.join(
            [
                f"id:{self.id_text}",
                *counts,
                f"{self.labels[0]}:{self.submitted.strftime(self.date_format)}",
                f"{self.labels[1]}:{'0' * len(done) if self.zero_done else done}",
                f"stat:{self.stat or STAT_WORDS[self.state]}",
                f"err:{self.err}",
                f"{self.labels[2]}:{self.text}",
            ]
        )

    def octets(self) -> bytes:
        """The text on the wire, at most 254 octets."""
        line = self.line()
        return encode_ucs2(line[:127]) if self.data_coding == 8 else line.encode("latin-1", "replace")[:254]

    def pdu(self) -> DeliverSm | DataSm:
        """The receipt, from the handset's number to the sender's."""
        addresses = {
            "source_addr_ton": self.destination_ton,
            "source_addr_npi": self.destination_npi,
            "source_addr": self.destination,
            "dest_addr_ton": self.source_ton,
            "dest_addr_npi": self.source_npi,
            "destination_addr": self.source,
            "esm_class": int(self.esm),
            "data_coding": self.data_coding,
        }
        carrier = "payload" if self.as_data_sm and self.carrier == "short" else self.carrier
        if self.as_data_sm:
            receipt: DeliverSm | DataSm = DataSm(**addresses)  # type: ignore[arg-type]
        else:
            short = self.octets() if carrier == "short" else b""
            receipt = DeliverSm(short_message=short, **addresses)  # type: ignore[arg-type]
        if carrier == "payload":
            receipt.tlvs.add(Tag.MESSAGE_PAYLOAD, self.octets())
        self._add_tlvs(receipt)
        return receipt

    def _add_tlvs(self, receipt: DeliverSm | DataSm) -> None:
        if self.with_id_tlv:
            receipt.tlvs.append((int(Tag.RECEIPTED_MESSAGE_ID), self.id_tlv.encode("latin-1") + b"\0"))
        if self.with_state_tlv:
            receipt.tlvs.append((int(Tag.MESSAGE_STATE), bytes((self.state,))))
        if self.err.isdigit() and int(self.err):
            receipt.tlvs.append((int(Tag.NETWORK_ERROR_CODE), pack(">BH", _GSM_NETWORK, int(self.err))))

    def wrong(self) -> bytes:
        """The bytes that break the rules, to be written in front of the receipt; empty for an honest one."""
        if not self.wrong_bytes:
            return b""
        if self.wrong_bytes == "broken_frame":
            return pack(">LLLL", 0xFFFFFFFF, CommandId.DELIVER_SM, 0, 1) + self.noise
        body = self.noise
        if self.wrong_bytes == "cut":
            # Honest up to a TLV that claims more octets than the frame has.
            body = (
                b"\0\x01\x0131612345678\0\0\0" + b"12345\0" + bytes(10) + pack(">HH", Tag.MESSAGE_PAYLOAD, 500) + body
            )
        return pack(">LLLL", 16 + len(body), CommandId.DELIVER_SM, 0, 0x7FFFFF00) + body
