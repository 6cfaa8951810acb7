"""Optional parameters: kept as raw octets in wire order, read and written by the type of their tag."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from smpp.constants import Tag
from smpp.errors import FieldError
from smpp.statuses import CommandStatus

TlvValue = int | str | bytes

_HEADER = struct.Struct(">HH")
_MAX_VALUE = 0xFFFF


@dataclass(frozen=True, slots=True)
class TlvType:
    """How the value of one tag looks: `kind` is int, cstring or octets; sizes in octets."""

    kind: str
    minimum: int
    maximum: int


def _integer(size: int) -> TlvType:
    return TlvType("int", size, size)


def _cstring(maximum: int) -> TlvType:
    return TlvType("cstring", 1, maximum)


def _octets(minimum: int, maximum: int) -> TlvType:
    return TlvType("octets", minimum, maximum)


# SMPP 3.4 §5.3.2; the tags marked 5.0 in `Tag` follow SMPP 5.0 §4.8.4.
TLV_TYPES: dict[int, TlvType] = {
    Tag.DEST_ADDR_SUBUNIT: _integer(1),
    Tag.DEST_NETWORK_TYPE: _integer(1),
    Tag.DEST_BEARER_TYPE: _integer(1),
    Tag.DEST_TELEMATICS_ID: _integer(2),
    Tag.SOURCE_ADDR_SUBUNIT: _integer(1),
    Tag.SOURCE_NETWORK_TYPE: _integer(1),
    Tag.SOURCE_BEARER_TYPE: _integer(1),
    Tag.SOURCE_TELEMATICS_ID: _integer(1),
    Tag.QOS_TIME_TO_LIVE: _integer(4),
    Tag.PAYLOAD_TYPE: _integer(1),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: _cstring(256),
    Tag.RECEIPTED_MESSAGE_ID: _cstring(65),
    Tag.MS_MSG_WAIT_FACILITIES: _integer(1),
    Tag.PRIVACY_INDICATOR: _integer(1),
    Tag.SOURCE_SUBADDRESS: _octets(2, 23),
    Tag.DEST_SUBADDRESS: _octets(2, 23),
    Tag.USER_MESSAGE_REFERENCE: _integer(2),
    Tag.USER_RESPONSE_CODE: _integer(1),
    Tag.SOURCE_PORT: _integer(2),
    Tag.DESTINATION_PORT: _integer(2),
    Tag.SAR_MSG_REF_NUM: _integer(2),
    Tag.LANGUAGE_INDICATOR: _integer(1),
    Tag.SAR_TOTAL_SEGMENTS: _integer(1),
    Tag.SAR_SEGMENT_SEQNUM: _integer(1),
    Tag.SC_INTERFACE_VERSION: _integer(1),
    Tag.CALLBACK_NUM_PRES_IND: _integer(1),
    Tag.CALLBACK_NUM_ATAG: _octets(0, 65),
    Tag.NUMBER_OF_MESSAGES: _integer(1),
    Tag.CALLBACK_NUM: _octets(4, 19),
    Tag.DPF_RESULT: _integer(1),
    Tag.SET_DPF: _integer(1),
    Tag.MS_AVAILABILITY_STATUS: _integer(1),
    Tag.NETWORK_ERROR_CODE: _octets(3, 3),
    Tag.MESSAGE_PAYLOAD: _octets(0, _MAX_VALUE),
    Tag.DELIVERY_FAILURE_REASON: _integer(1),
    Tag.MORE_MESSAGES_TO_SEND: _integer(1),
    Tag.MESSAGE_STATE: _integer(1),
    Tag.CONGESTION_STATE: _integer(1),
    Tag.USSD_SERVICE_OP: _integer(1),
    Tag.BILLING_IDENTIFICATION: _octets(1, 1024),
    Tag.DEST_ADDR_NP_COUNTRY: _octets(1, 5),
    Tag.DEST_ADDR_NP_INFORMATION: _octets(10, 10),
    Tag.DEST_ADDR_NP_RESOLUTION: _integer(1),
    Tag.DISPLAY_TIME: _integer(1),
    Tag.SMS_SIGNAL: _integer(2),
    Tag.MS_VALIDITY: _integer(1),
    Tag.ALERT_ON_MESSAGE_DELIVERY: _octets(0, 1),
    Tag.ITS_REPLY_TYPE: _integer(1),
    Tag.ITS_SESSION_INFO: _octets(2, 2),
}


class Tlvs(list[tuple[int, bytes]]):
    """The optional parameters of one PDU: (tag, raw octets) in wire order, repeats kept.

    Reading is tolerant (an int of a wrong length is still an int, a string may lack its NUL);
    writing follows the table strictly. A `bytes` value is always taken as it is.
    """

    __slots__ = ()

    def raw(self, tag: int) -> bytes | None:
        """Return the octets of the first `tag`, or None."""
        for known, value in self:
            if known == tag:
                return value
        return None

    def has(self, tag: int) -> bool:
        """Say whether `tag` is present."""
        return any(known == tag for known, _ in self)

    def get(self, tag: int, default: TlvValue | None = None) -> TlvValue | None:
        """Return the first value of `tag` as int, str or bytes by its type; unknown tags as bytes."""
        raw = self.raw(tag)
        return default if raw is None else tlv_value(tag, raw)

    def get_all(self, tag: int) -> list[TlvValue]:
        """Return every value of `tag` in wire order."""
        return [tlv_value(tag, value) for known, value in self if known == tag]

    def integer(self, tag: int) -> int | None:
        """Return the first value of `tag` as a big-endian integer; None if absent or empty."""
        raw = self.raw(tag)
        return int.from_bytes(raw, "big") if raw else None

    def text(self, tag: int) -> str | None:
        """Return the first value of `tag` as text up to its NUL; None if absent."""
        raw = self.raw(tag)
        return None if raw is None else _until_nul(raw)

    def add(self, tag: int, value: TlvValue) -> None:
        """Append one parameter; raises FieldError if the value does not fit the tag."""
        self.append((int(tag), _write(tag, value)))

    def set(self, tag: int, value: TlvValue) -> None:
        """Replace every parameter of this tag by one at the end."""
        raw = _write(tag, value)
        self.remove_tag(tag)
        self.append((int(tag), raw))

    def remove_tag(self, tag: int) -> None:
        """Drop every parameter of this tag."""
        self[:] = [item for item in self if item[0] != tag]


def tlv_size_faults(tlvs: Iterable[tuple[int, bytes]]) -> list[int]:
    """Return the standard tags whose length breaks the table (a strict server answers RINVPARLEN)."""
    return [
        tag for tag, value in tlvs if (known := TLV_TYPES.get(tag)) and not known.minimum <= len(value) <= known.maximum
    ]


def pack_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the optional part of a PDU; raises FieldError for a tag or length beyond 16 bits."""
    try:
        return b"".join([_HEADER.pack(tag, len(value)) + value for tag, value in tlvs])
    except (struct.error, TypeError, ValueError) as error:
        raise FieldError(
            f"a TLV cannot be encoded: {error}", command_status=CommandStatus.ESME_RINVPARLEN, field="tlvs"
        ) from error


def unpack_tlvs(frame: bytes, position: int) -> Tlvs:
    """Read the optional part from `position` to the end; raises ValueError when it is cut off."""
    tlvs = Tlvs()
    end = len(frame)
    while position < end:
        if end - position < 4:
            raise ValueError("the optional part ends inside a TLV header")
        tag, length = _HEADER.unpack_from(frame, position)
        position += 4
        if length > end - position:
            raise ValueError(f"TLV 0x{tag:04X} is longer than the PDU")
        tlvs.append((tag, frame[position : position + length]))
        position += length
    return tlvs


def tlv_value(tag: int, raw: bytes) -> TlvValue:
    """Return the value as int, str or bytes by the type of the tag; unknown tags as bytes. Raises nothing."""
    known = TLV_TYPES.get(tag)
    if known is None or known.kind == "octets":
        return raw
    return int.from_bytes(raw, "big") if known.kind == "int" else _until_nul(raw)


def _until_nul(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1")


def _write(tag: int, value: TlvValue) -> bytes:
    try:
        return _checked(tag, value)
    except (OverflowError, UnicodeEncodeError, ValueError, TypeError) as error:
        raise FieldError(
            f"TLV 0x{tag:04X}: {error}", command_status=CommandStatus.ESME_RINVOPTPARAMVAL, field="tlvs"
        ) from error


def _checked(tag: int, value: TlvValue) -> bytes:
    if not 0 <= tag <= 0xFFFF:
        raise ValueError("a tag has 16 bits")
    raw = value if isinstance(value, bytes) else _typed(tag, value)
    if len(raw) > _MAX_VALUE:
        raise ValueError("a value has at most 65535 octets")
    return raw


def _typed(tag: int, value: int | str) -> bytes:
    known = TLV_TYPES.get(tag)
    if known is None:
        raise TypeError("a vendor's own parameter takes bytes")
    if isinstance(value, str):
        return _typed_text(known, value)
    if known.kind != "int":
        raise TypeError(f"takes {known.kind}, not a number")
    return int(value).to_bytes(known.maximum, "big")


def _typed_text(known: TlvType, value: str) -> bytes:
    if known.kind != "cstring":
        raise TypeError(f"takes {known.kind}, not text")
    if "\0" in value or len(value) >= known.maximum:
        raise ValueError(f"text of at most {known.maximum - 1} characters without NUL")
    return value.encode("latin-1") + b"\0"
