"""Cases of spec/smpp.md 5.2 to 5.5: addresses, flags, times, encodings, long texts, optional parameters."""

import struct
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from smpplib import consts
from smpplib import gsm as theirs

from smpp.constants import CommandStatus as S
from tests.conformance.house import House, rule
from tests.conformance.raw_peer import SUBMIT_SM, delivered, submit, tlv

SAR_REF, SAR_TOTAL, SAR_SEQ, PAYLOAD, REFERENCE = 0x020C, 0x020E, 0x020F, 0x0424, 0x0204


def sent(house: House, octets: bytes = b"Hello", *, status: int = 0, who: str = "esme", **fields: Any) -> Any:
    """Submit and compare the status; the message, or None when it was refused: then nothing may be written."""
    number = house.number()
    with house.peer(who=who) as peer:
        answer = peer.ask(SUBMIT_SM, submit(number, octets, **fields))
    assert answer.status == status, hex(answer.status)
    if status:
        assert house.untouched(number)
        return None
    return house.message(number)


# -- 5.2 addresses, esm_class, registered_delivery, times


def _kept_addresses(house: House, source: tuple[int, int, str], to_kind: tuple[int, int]) -> None:
    number = house.number()
    with house.peer() as peer:
        peer.ask(SUBMIT_SM, submit(number, source=source, to_kind=to_kind, registered=1))
        house.end(number)
        receipt = delivered(peer.next_request().body)
    assert (receipt.source, receipt.destination) == ((*to_kind, number), source)


ADDRESSES: dict[str, tuple[tuple[int, int, str], tuple[int, int]]] = {
    "an alphanumeric sender": ((5, 0, "BANK"), (1, 1)),
    "an international sender": ((1, 1, "97144445555"), (1, 1)),
    "a short code of network kind": ((3, 0, "4444"), (1, 1)),
    "an abbreviated short code": ((6, 0, "4444"), (1, 1)),
    "a destination of unknown kind": ((5, 0, "BANK"), (0, 0)),
}
for _name, (_source, _kind) in ADDRESSES.items():
    rule(f"5.2 the receipt gives back the addresses as they were written: {_name}")(
        partial(_kept_addresses, source=_source, to_kind=_kind)
    )

rule("5.2 an alphanumeric sender has at most 11 characters")(
    partial(sent, source=(5, 0, "TWELVELETTER"), status=S.ESME_RINVSRCADR)
)
for _esm, _what in {0x00: "default", 0x01: "datagram", 0x02: "transaction", 0x03: "store and forward"}.items():
    rule(f"5.2 esm_class mode {_what} is taken")(partial(sent, esm=_esm))
for _esm, _what in {0x08: "delivery", 0x10: "user", 0x04: "receipt"}.items():
    rule(f"5.2 esm_class of a {_what} acknowledgement is refused")(partial(sent, esm=_esm, status=S.ESME_RINVESMCLASS))


@rule("5.2 a header is told by 0x40 alone, also in Kannel's 0x43")
def header_bit(house: House) -> None:
    header = bytes.fromhex("050003990201")
    for esm in (0x40, 0x43):
        assert sent(house, header + b"part", esm=esm).udh == header.hex()


rule("5.2 a header that is not there is refused")(partial(sent, octets=b"\x20no", esm=0x40, status=S.ESME_RINVESMCLASS))


def _registered(house: House, bits: int, dlr: bool) -> None:
    message = sent(house, registered=bits)
    assert (message.dlr, message.esme["reg"]) == (dlr, bits)


for _bits, _dlr in {0: False, 1: True, 2: True, 0x10: True, 0x11: True}.items():
    rule(f"5.2 registered_delivery 0x{_bits:02x} is kept")(partial(_registered, bits=_bits, dlr=_dlr))
rule("5.2 registered_delivery 3 is refused")(partial(sent, registered=3, status=S.ESME_RINVREGDLVFLG))


@rule("5.2 times are absolute with quarter hours or relative")
def times(house: House) -> None:
    now = datetime.now(UTC)
    east = now + timedelta(hours=4)  # local clocks two hours ahead, two hours from now
    for text in (f"{east:%y%m%d%H%M%S}008+", "000000020000000R"):
        assert abs(sent(house, schedule=text).send_at - now - timedelta(hours=2)) < timedelta(seconds=30), text
        message = sent(house, validity=text)
        assert abs(message.expires_at - now - timedelta(hours=2)) < timedelta(seconds=30), text


for _text in ("no time is here!", "991399000000000+", "000000000000000X"):
    rule(f"5.2 a schedule of {_text!r} is refused")(partial(sent, schedule=_text, status=S.ESME_RINVSCHED))
    rule(f"5.2 a validity of {_text!r} is refused")(partial(sent, validity=_text, status=S.ESME_RINVEXPIRY))


@rule("5.2 priority 3 is the OTP lane for whom may use it, and soon for all others")
def priority(house: House) -> None:
    for level in range(4):
        assert sent(house, priority=level).lane == "transactional"


rule("5.2 priority above 3 is refused")(partial(sent, priority=4, status=S.ESME_RINVPRTFLG))

# -- 5.3 encodings


def _coded(house: House, coding: int, octets: bytes, expected: tuple[str, str, bool, int | None]) -> None:
    message = sent(house, octets, coding=coding)
    kept = (message.content, message.encoding, message.flash, message.esme.get("dcs"))
    assert kept == expected, kept


CODINGS: dict[int, tuple[bytes, tuple[str, str, bool, int | None]]] = {
    0x00: (b"A\x00\x1b\x65", ("A@€", "gsm7", False, None)),
    0x01: (b"ascii ~", ("ascii ~", "ascii", False, None)),
    0x02: (b"\x01\x02", ("0102", "binary", False, 0x02)),
    0x03: ("ñandú".encode("latin-1"), ("ñandú", "latin1", False, None)),
    0x04: (b"\x00\xff", ("00ff", "binary", False, None)),
    0x05: (b"\x83\x41", ("8341", "binary", False, 0x05)),
    0x06: (b"\xbf", ("bf", "binary", False, 0x06)),
    0x07: (b"\xe0", ("e0", "binary", False, 0x07)),
    0x08: ("Привет 😀".encode("utf-16-be"), ("Привет 😀", "ucs2", False, None)),
    0x0A: (b"\x1b$B", ("1b2442", "binary", False, 0x0A)),
    0x0D: (b"\x21", ("21", "binary", False, 0x0D)),
    0x0E: (b"\xb0\xa1", ("b0a1", "binary", False, 0x0E)),
    0x10: (b"flash", ("flash", "gsm7", True, None)),
    0x11: (b"to me", ("to me", "gsm7", False, 0x11)),
    0x18: ("я".encode("utf-16-be"), ("я", "ucs2", True, None)),
    0xC8: (b"voice", ("voice", "gsm7", False, 0xC8)),
    0xE0: ("я".encode("utf-16-be"), ("я", "ucs2", False, 0xE0)),
    0xF0: (b"flash", ("flash", "gsm7", True, 0xF0)),
    0xF4: (b"\x01", ("01", "binary", True, None)),
    0xF5: (b"\x01", ("01", "binary", False, 0xF5)),
}
for _coding, (_octets, _expected) in CODINGS.items():
    rule(f"5.3 data_coding 0x{_coding:02X} is read by all its bits and goes on as it came")(
        partial(_coded, coding=_coding, octets=_octets, expected=_expected)
    )

EXTENSION = {"^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65}


def _extended(house: House, character: str, code: int) -> None:
    assert sent(house, bytes((0x1B, code))).content == character


for _character, _code in EXTENSION.items():
    rule(f"5.3 the escape 0x{_code:02X} of the GSM alphabet is {_character}")(
        partial(_extended, character=_character, code=_code)
    )


@rule("5.3 an unknown escape shows the basic character")
def unknown_escape(house: House) -> None:
    assert sent(house, b"\x1bA").content == "A"


@rule("5.3 the default alphabet is the client's")
def default_alphabet(house: House) -> None:
    assert sent(house, b"\xe9t\xe9", who="latin").content == "été"


@rule("5.3 the whole GSM alphabet of smpplib arrives")
def whole_alphabet(house: House) -> None:
    # It has a ` wherever it knows nothing better, also for §.
    text = "".join(character for character in theirs.GSM_CHARACTER_TABLE[:128] if character not in "\x1b`")
    assert sent(house, theirs.gsm_encode(text)).content == text


rule("5.3 UCS-2 with an odd number of octets is refused")(
    partial(sent, octets=b"abc", coding=8, status=S.ESME_RINVMSGLEN)
)


@rule("5.3 flash by the parameter dest_addr_subunit goes on")
def flash_by_parameter(house: House) -> None:
    assert "0x0005:hex" in sent(house, more=tlv(0x0005, b"\1")).tlvs


# -- 5.4 long texts

PARTS = {
    "160 septets alone": (b"a" * 160, 0, 0, 1),
    "153 septets behind an 8 bit reference": (bytes.fromhex("050003010201") + b"a" * 153, 0x40, 0, 1),
    "152 septets behind a 16 bit reference": (bytes.fromhex("06080400010201") + b"a" * 152, 0x40, 0, 1),
    "70 units of UCS-2 alone": ("я".encode("utf-16-be") * 70, 0, 8, 1),
    "67 units behind an 8 bit reference": (bytes.fromhex("050003010201") + "я".encode("utf-16-be") * 67, 0x40, 8, 1),
    "66 units behind a 16 bit reference": (bytes.fromhex("06080400010201") + "я".encode("utf-16-be") * 66, 0x40, 8, 1),
    "140 octets alone": (b"\1" * 140, 0, 4, 1),
    "134 octets behind an 8 bit reference": (bytes.fromhex("050003010201") + b"\1" * 134, 0x40, 4, 1),
    "133 octets behind a 16 bit reference": (bytes.fromhex("06080400010201") + b"\1" * 133, 0x40, 4, 1),
    "161 septets": (b"a" * 161, 0, 0, 2),
    "71 units of UCS-2": ("я".encode("utf-16-be") * 71, 0, 8, 2),
}


def _parts(house: House, octets: bytes, esm: int, coding: int, count: int) -> None:
    message = sent(house, octets, esm=esm, coding=coding)
    assert (message.parts, message.price) == (count, count)


for _name, (_octets, _esm, _coding, _count) in PARTS.items():
    rule(f"5.4 {_name}: {_count} to pay")(partial(_parts, octets=_octets, esm=_esm, coding=_coding, count=_count))


@rule("5.4 parts marked by sar_* parameters stay the parts that they are")
def sar(house: House) -> None:
    for number in (1, 2):
        marks = tlv(SAR_REF, struct.pack(">H", 7)) + tlv(SAR_TOTAL, b"\2") + tlv(SAR_SEQ, bytes((number,)))
        message = sent(house, b"part", more=marks)
        assert (message.parts, message.udh) == (1, f"0500030702{number:02x}")


@rule("5.4 message_payload is one message, cut and charged by its parts")
def payload(house: House) -> None:
    message = sent(house, b"", more=tlv(PAYLOAD, b"a" * 400))
    assert (message.parts, message.price, message.content) == (3, 3, "a" * 400)


@rule("5.4 parts made by smpplib arrive whole")
def parts_of_others(house: House) -> None:
    text = "Ein längerer Text mit € und {Klammern}. " * 8
    parts, coding, esm = theirs.make_parts(text)
    assert "".join(sent(house, part, coding=coding, esm=esm).content for part in parts) == text
    assert esm & consts.SMPP_GSMFEAT_UDHI


rule("5.4 more parts than the account may send is an error, never a shorter text")(
    partial(sent, octets=b"", more=tlv(PAYLOAD, b"a" * 2000), status=S.ESME_RINVMSGLEN)
)
rule("5.4 a text in both places is refused")(partial(sent, more=tlv(PAYLOAD, b"too"), status=S.ESME_RINVMSGLEN))
rule("5.4 a sar part without its number is refused")(
    partial(sent, more=tlv(SAR_TOTAL, b"\2"), status=S.ESME_RMISSINGOPTPARAM)
)
rule("5.4 a sar part beyond the last is refused")(
    partial(sent, more=tlv(SAR_REF, b"\0\1") + tlv(SAR_TOTAL, b"\2") + tlv(SAR_SEQ, b"\3"),
            status=S.ESME_RINVOPTPARAMVAL)
)  # fmt: skip

# -- 5.5 optional parameters

CARRIED = {
    "source_port": (0x020A, b"\x0b\x84"), "dest_port": (0x020B, b"\x0b\x85"), "privacy": (0x0201, b"\1"),
    "callback_num": (0x0381, b"\1\1\1" + b"97144445555"), "language": (0x020D, b"\1"),
    "user_response_code": (0x0205, b"\1"), "ussd_service_op": (0x0501, b"\2"), "display_time": (0x1201, b"\1"),
    "source_subaddress": (0x0202, b"\x80123"), "dest_subaddress": (0x0203, b"\x80123"),
    "ms_msg_wait": (0x0030, b"\1"), "its_reply_type": (0x1380, b"\1"), "payload_type": (0x0019, b"\0"),
    "a DLT entity": (0x1400, b"1201159000000000001"), "a DLT template": (0x1401, b"1207161000000000001"),
    "a DLT chain": (0x1402, b"a" * 64), "a vendor's own": (0x3FFF, b"\xff\x00"), "an unknown one": (0x2ABC, b"x"),
}  # fmt: skip


def _carried(house: House, tag: int, value: bytes) -> None:
    """Under its tag, as text where it is one, else as hex."""
    kept = sent(house, more=tlv(tag, value)).tlvs
    [(name, found)] = kept.items()
    assert name.startswith(f"0x{tag:04x}") and found in (value.decode("latin-1"), value.hex()), kept


for _name, (_tag, _value) in CARRIED.items():
    rule(f"5.5 {_name} goes on to the carrier")(partial(_carried, tag=_tag, value=_value))

rule("5.5 a parameter of a wrong length is refused")(partial(sent, more=tlv(0x020B, b"\1"), status=S.ESME_RINVPARLEN))
rule("5.5 a parameter that ends in the middle is refused")(
    partial(sent, more=b"\x02\x0b\x00\x09\x01", status=S.ESME_RINVOPTPARSTREAM)
)


@rule("5.5 parameters come in any order")
def any_order(house: House) -> None:
    more = tlv(0x1402, b"c") + tlv(0x1400, b"a") + tlv(0x1401, b"b")
    assert sent(house, more=more).tlvs == {"0x1400": "a", "0x1401": "b", "0x1402": "c"}


@rule("5.5 user_message_reference comes back in the receipt")
def reference(house: House) -> None:
    number = house.number()
    with house.peer() as peer:
        peer.ask(SUBMIT_SM, submit(number, registered=1, more=tlv(REFERENCE, b"\x12\x34")))
        house.end(number)
        assert delivered(peer.next_request().body).tlvs[REFERENCE] == b"\x12\x34"
