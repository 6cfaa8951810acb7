"""Texts from handsets (MO) as a carrier hands them over: short, long, in any order of parts."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from common.gsm import Encoding, data_coding, detect, encode, split, udh_concat
from smpp.constants import EsmClass, Tag
from smpp.pdu import DeliverSm


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundText:
    """One text. `encoding`: gsm7, ucs2, latin1 ...; empty chooses. `mode`: udh, udh16, sar or payload.

    `order`: of the parts, 1-based, for instance (3, 1, 2); a number left out is a part that never comes, one named
    twice comes twice; `reversed` and `shuffled` are words for it; empty is the natural order.
    """

    source: str
    destination: str
    text: str
    encoding: str = ""
    mode: str = "udh"
    order: str | tuple[int, ...] = ""
    reference: int = 0
    esm_class: int = 0

    def pdus(self, dice: random.Random) -> list[DeliverSm]:
        """The deliver_sm of all parts in the order asked for; raises ValueError for what cannot be written."""
        encoding = Encoding(self.encoding) if self.encoding else detect(self.text)
        whole = self._base(encoding)
        if self.mode == "payload":
            whole.tlvs.add(Tag.MESSAGE_PAYLOAD, encode(self.text, encoding))
            return [whole]
        if self.mode not in ("udh", "udh16", "sar"):
            raise ValueError("mode is udh, udh16, sar or payload")
        texts = split(self.text, encoding, reference_bits=8 if self.mode == "udh" else 16)
        if len(texts) == 1:
            whole.short_message = encode(self.text, encoding)
            return [whole]
        reference = self.reference or dice.randrange(1, 256)
        parts = [self._part(encoding, text, reference, len(texts), n) for n, text in enumerate(texts, 1)]
        return [parts[n - 1] for n in self._numbers(len(parts), dice)]

    def _base(self, encoding: Encoding) -> DeliverSm:
        return DeliverSm(
            source_addr_ton=1,
            source_addr_npi=1,
            source_addr=self.source,
            dest_addr_ton=0 if len(self.destination) < 7 else 1,
            dest_addr_npi=1,
            destination_addr=self.destination,
            esm_class=self.esm_class,
            data_coding=data_coding(encoding, flash=False),
        )

    def _part(self, encoding: Encoding, text: str, reference: int, total: int, number: int) -> DeliverSm:
        part, octets = self._base(encoding), encode(text, encoding)
        if self.mode == "sar":
            part.tlvs.add(Tag.SAR_MSG_REF_NUM, reference)
            part.tlvs.add(Tag.SAR_TOTAL_SEGMENTS, total)
            part.tlvs.add(Tag.SAR_SEGMENT_SEQNUM, number)
            part.short_message = octets
        else:
            part.esm_class |= EsmClass.UDHI
            bits = 16 if self.mode == "udh16" else 8
            part.short_message = udh_concat(reference, total, number, bits=bits) + octets
        return part

    def _numbers(self, total: int, dice: random.Random) -> Iterable[int]:
        numbers = list(range(1, total + 1))
        if self.order == "reversed":
            return reversed(numbers)
        if self.order == "shuffled":
            dice.shuffle(numbers)
            return numbers
        chosen = [int(number) for number in self.order] if self.order else numbers
        if not set(chosen) <= set(numbers):
            raise ValueError(f"the text has {total} parts")
        return chosen


def read_inbound(fields: dict[str, Any]) -> InboundText:
    """An InboundText from JSON, where `from` and `to` name the addresses; raises ValueError."""
    named = {"source": fields.pop("from", ""), "destination": fields.pop("to", ""), **fields}
    if isinstance(named.get("order"), list):
        named["order"] = tuple(named["order"])
    try:
        return InboundText(**named)
    except TypeError as error:
        raise ValueError(str(error)) from error
