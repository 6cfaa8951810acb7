"""One kept PDU for people: every field by its name, the text as text, or masked (reliability S22)."""

from dataclasses import asdict
from typing import Any, Final

from common import gsm
from common.gsm import Encoding
from smpp.codec import decode
from smpp.constants import HEADER_LENGTH, EsmClass, MessageState, Tag, status_name, status_text
from smpp.errors import PduError
from smpp.pdu import Pdu
from smpp.receipts import Receipt, read_receipt
from smpp.tapping import WITH_PASSWORD
from smpp.tlvs import tlv_value
from smpp.wire import wire_table

Facts = dict[str, Any]
_LONGEST: Final = 1 << 17  # octets; no frame that we took is longer
_UNREADABLE_BIND: Final = "a bind that could not be read; only its header is kept, because a password may follow"
HIDDEN: Final = "x"  # instead of each hex digit of a masked text
_ONE_OCTET: Final = {"latin1": Encoding.LATIN1, "ascii": Encoding.ASCII}


def facts_of(frame: bytes, *, alphabet: str, texts: bool) -> Facts:
    """Fields, optional parameters, text or receipt, and the octets in hex; `fault` where it cannot be read.

    `alphabet` is what data_coding 0 means on this link (connectors.models.Alphabet). Without `texts` the content of
    messages is left out, in hex too; how long it is remains. Raises nothing.
    """
    length = int.from_bytes(frame[:4], "big")
    found: Facts = {"octets": length, "cut": length > len(frame)}
    whole = frame
    try:
        if found["cut"]:
            whole = _filled_up(frame, length)
        pdu = decode(whole)
    except PduError as error:
        # Nobody knows where its text is.
        shown = len(frame) if texts else HEADER_LENGTH
        fault = _UNREADABLE_BIND if _is_bind_without_body(frame) else str(error)
        return found | {"fault": fault, "fields": {}, "tlvs": [], "hex": _hex(frame, shown, len(frame))}
    found["fields"] = _fields(pdu)
    found["tlvs"] = [_tlv(tag, raw) for tag, raw in pdu.tlvs if tag]  # 0: what a cut one was filled up with
    begin, end = _place_of_text(pdu, len(whole))
    octets = whole[begin : min(end, len(frame))]
    if end > begin:
        found |= _content(pdu, octets, end - begin, alphabet, texts)
    found["hex"] = frame.hex() if texts else _hex(frame, begin, end)
    return found


def _filled_up(frame: bytes, length: int) -> bytes:
    """A cut frame with NULs in place of what is missing: parameters without tag and value, up to three octets more."""
    longest = min(length, _LONGEST)
    for more in range(4):
        whole = (longest + more).to_bytes(4, "big") + frame[4:].ljust(longest + more - 4, b"\0")
        try:
            decode(whole)
        except PduError:
            continue
        return whole
    return frame


def _is_bind_without_body(frame: bytes) -> bool:
    return len(frame) == HEADER_LENGTH and int.from_bytes(frame[4:8], "big") in WITH_PASSWORD


def _hex(frame: bytes, begin: int, end: int) -> str:
    """The frame in hex, with what lies between hidden."""
    end = min(end, len(frame))
    return frame[:begin].hex() + HIDDEN * 2 * max(0, end - begin) + frame[end:].hex()


def _fields(pdu: Pdu) -> Facts:
    found: Facts = {}
    for name, wire in wire_table(type(pdu)):
        value = getattr(pdu, name)
        if wire.kind == "octets8":
            continue  # told as text
        if wire.kind == "destinations":
            value = [asdict(one) for one in value]
        elif wire.kind == "failures":
            value = [asdict(one) | {"status": status_name(one.error_status_code)} for one in value]
        found[name] = value
    return found


def _tlv(tag: int, raw: bytes) -> Facts:
    try:
        name = Tag(tag).name.lower()
    except ValueError:
        name = f"0x{tag:04x}"
    if tag == Tag.MESSAGE_PAYLOAD:
        return {"tag": tag, "name": name, "value": None, "octets": len(raw)}  # told as text
    value = tlv_value(tag, raw)
    found: Facts = {"tag": tag, "name": name, "value": value.hex() if isinstance(value, bytes) else value}
    if isinstance(value, bytes) and value and value.isascii() and value.decode("ascii").isprintable():
        found["text"] = value.decode("ascii")
    if tag == Tag.MESSAGE_STATE and isinstance(value, int) and value in MessageState.__members__.values():
        found["text"] = MessageState(value).name
    return found


def _place_of_text(pdu: Pdu, length: int) -> tuple[int, int]:
    """Where short_message, or else message_payload, begins and ends in the frame."""
    at = length - sum(4 + len(raw) for _, raw in pdu.tlvs)
    short = len(getattr(pdu, "short_message", b""))
    if short:
        return at - short, at
    for tag, raw in pdu.tlvs:
        if tag == Tag.MESSAGE_PAYLOAD:
            return at + 4, at + 4 + len(raw)
        at += 4 + len(raw)
    return length, length


def _content(pdu: Pdu, octets: bytes, length: int, alphabet: str, texts: bool) -> Facts:
    receipt = read_receipt(pdu)
    coding = getattr(pdu, "data_coding", 0)
    header, body = b"", octets
    if getattr(pdu, "esm_class", 0) & EsmClass.UDHI and octets and octets[0] < len(octets):
        header, body = octets[: octets[0] + 1], octets[octets[0] + 1 :]
    encoding, flash = gsm.encoding_of(coding)
    text: Facts = {"encoding": encoding.value if encoding else "octets", "flash": flash, "octets": length}
    if header:
        text["udh"] = header.hex()
        text["part"] = _part(header)
    if receipt is not None:
        text["encoding"] = "receipt"
        body_text = _receipt_text(body, coding)
    else:
        body_text = _text(body, encoding, coding, alphabet, len(header))
    text["content"] = body_text if texts else None
    found: Facts = {"text": text}
    if receipt is not None:
        found["receipt"] = _receipt(receipt, texts)
    return found


def _part(header: bytes) -> Facts | None:
    elements, _ = gsm.read_udh(header + b"\0")
    found = gsm.read_concat(elements)
    return None if found is None else found._asdict()


def _text(octets: bytes, encoding: Encoding | None, coding: int, alphabet: str, header: int) -> str:
    """The text, or hex of what is none."""
    if encoding is None or encoding is Encoding.BINARY:
        return octets.hex()
    if encoding is Encoding.GSM7 and coding == 0:
        if alphabet in _ONE_OCTET:
            return gsm.decode(octets, _ONE_OCTET[alphabet])
        if alphabet == "gsm_packed":
            octets = gsm.unpack7(octets, fill_bits=gsm.fill_bits_after(header))
    return gsm.decode(octets, encoding)


def _receipt_text(octets: bytes, coding: int) -> str:
    """Receipts are written in ASCII, whatever the default alphabet is."""
    return (
        gsm.decode_ucs2(octets) if coding == gsm.data_coding(Encoding.UCS2, flash=False) else octets.decode("latin-1")
    )


def _receipt(receipt: Receipt, texts: bool) -> Facts:
    return {
        "message_id": receipt.message_id,
        "state": receipt.state.name,
        "stat": receipt.stat,
        "err": receipt.err,
        "submitted": receipt.submitted,
        "done": receipt.done,
        "sub": receipt.sub,
        "dlvrd": receipt.dlvrd,
        "text": receipt.text if texts else None,
    }


def status_facts(status: int) -> Facts:
    """A command_status by number, name and meaning."""
    return {"status": status, "status_name": status_name(status), "status_text": status_text(status)}
