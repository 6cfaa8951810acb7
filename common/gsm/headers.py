"""User data headers (3GPP TS 23.040 §9.2.3.24) and the data_coding octet (SMPP 3.4 §5.2.19)."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from common.gsm.alphabet import Encoding

CONCAT_8: Final = 0x00
CONCAT_16: Final = 0x08
_CONCAT_LENGTH = {CONCAT_8: 3, CONCAT_16: 4}

_DATA_CODING = {
    Encoding.GSM7: 0x00,
    Encoding.ASCII: 0x01,
    Encoding.LATIN1: 0x03,
    Encoding.BINARY: 0x04,
    Encoding.UCS2: 0x08,
}
_FLASH_CODING = {Encoding.GSM7: 0x10, Encoding.UCS2: 0x18, Encoding.BINARY: 0xF4}
_PLAIN: Final = {coding: encoding for encoding, coding in _DATA_CODING.items()} | {0x02: Encoding.BINARY}
_BY_ALPHABET_BITS: Final = {0: Encoding.GSM7, 1: Encoding.BINARY, 2: Encoding.UCS2}
_GENERAL, _WAITING_GSM, _WAITING_UCS2, _CLASSES = 0x10, range(0xC0, 0xE0), range(0xE0, 0xF0), 0xF0


class Concat(NamedTuple):
    """Which part of which long message: `number` of `total`, both from 1."""

    reference: int
    total: int
    number: int


def udh_concat(reference: int, total: int, number: int, *, bits: int = 8) -> bytes:
    """Header octets (length first) of one part; the reference is taken modulo 2**bits.

    `bits` is 8 (`05 00 03 rr tt nn`) or 16 (`06 08 04 rrrr tt nn`).
    Raises ValueError unless 1 <= number <= total <= 255.
    """
    if not 1 <= number <= total <= 255:
        raise ValueError(f"part {number} of {total} cannot be written")
    if bits == 8:
        return bytes((5, CONCAT_8, 3, reference & 0xFF, total, number))
    if bits == 16:
        return bytes((6, CONCAT_16, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number))
    raise ValueError(f"a reference has 8 or 16 bits, not {bits}")


def read_udh(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The header's elements (identifier, value) in order, and the user data after it; never raises.

    Elements that do not fill the stated length exactly void the whole header (TS 23.040 §9.2.3.24): no
    elements, the data after it stays. A header longer than the data is none at all: everything is user data.
    At most 127 elements, because the length is one octet.
    """
    if not data or data[0] >= len(data):
        return [], data
    header, rest = data[1 : 1 + data[0]], data[1 + data[0] :]
    elements: list[tuple[int, bytes]] = []
    position = 0
    while position < len(header):
        value = header[position + 2 : position + 2 + header[position + 1]] if position + 1 < len(header) else b""
        if position + 1 >= len(header) or len(value) != header[position + 1]:
            return [], rest
        elements.append((header[position], value))
        position += 2 + len(value)
    return elements, rest


def read_concat(elements: Iterable[tuple[int, bytes]]) -> Concat | None:
    """The last valid concatenation element, None if there is none; bad ones are ignored (§9.2.3.24.1)."""
    found = None
    for identifier, value in elements:
        if _CONCAT_LENGTH.get(identifier) != len(value):
            continue
        total, number = value[-2], value[-1]
        if 1 <= number <= total:
            found = Concat(int.from_bytes(value[:-2], "big"), total, number)
    return found


def data_coding(encoding: Encoding, *, flash: bool) -> int:
    """The data_coding octet; raises ValueError for flash (class 0) in an encoding that has none."""
    if not flash:
        return _DATA_CODING[encoding]
    if encoding not in _FLASH_CODING:
        raise ValueError(f"{encoding} has no flash data_coding")
    return _FLASH_CODING[encoding]


def encoding_of(data_coding: int) -> tuple[Encoding | None, bool]:
    """Encoding and whether it is flash, by all eight bits; None: octets that we do not read (TS 23.038 §4)."""
    if data_coding in _PLAIN:
        return _PLAIN[data_coding], False
    if data_coding & 0xF0 == _GENERAL:
        return _BY_ALPHABET_BITS.get(data_coding >> 2 & 3), data_coding & 3 == 0
    if data_coding in _WAITING_GSM:
        return Encoding.GSM7, False
    if data_coding in _WAITING_UCS2:
        return Encoding.UCS2, False
    if data_coding & 0xF0 == _CLASSES:
        return (Encoding.BINARY if data_coding & 4 else Encoding.GSM7), data_coding & 3 == 0
    return None, False
