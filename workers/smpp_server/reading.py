"""The user data of a request as we store it: text where it is text, octets where it is not (spec/smpp.md 5.3)."""

from dataclasses import dataclass

from accounts.models.credentials import ClientAlphabet
from common import gsm
from common.gsm import Encoding
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.tlvs import Tlvs
from workers.smpp_server.status import Refused

_REFERENCE_8 = 0xFF
_MOST_ELEMENTS = 0xFF  # octets after the length octet of a header


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """`binary` instead of `content` for octets; `coding` None lets the intake choose; `data_coding` goes out as it
    came, where ours would differ."""

    content: str = ""
    binary: bytes | None = None
    coding: Encoding | None = None
    flash: bool = False
    udh: bytes = b""
    data_coding: int | None = None


def read_user_data(octets: bytes, esm_class: int, data_coding: int, tlvs: Tlvs, *, alphabet: str) -> UserData:
    """Header and body of short_message or message_payload; raises Refused."""
    header = b""
    if esm_class & EsmClass.UDHI:
        if not octets or octets[0] >= len(octets) + 1 or octets[0] + 1 > len(octets):
            raise Refused(CommandStatus.ESME_RINVESMCLASS, "esm_class promises a user data header, and there is none")
        header, octets = octets[: octets[0] + 1], octets[octets[0] + 1 :]
    data = _body(octets, header, data_coding, alphabet)
    part = _sar(tlvs)
    return data if part is None else _with_header(data, joined(header, _concatenation(data, header, part)))


def _body(octets: bytes, header: bytes, data_coding: int, alphabet: str) -> UserData:
    encoding, flash = gsm.encoding_of(data_coding)
    if encoding is None or encoding is Encoding.BINARY:
        return _octets(octets, header, data_coding, flash)
    if encoding is Encoding.GSM7:
        text, chosen = _seven_bit(octets, len(header), alphabet if data_coding == 0 else ClientAlphabet.GSM)
        override = _differing(chosen or Encoding.GSM7, flash, data_coding)
        return UserData(content=text, coding=chosen, flash=flash, udh=header, data_coding=override)
    if encoding is Encoding.UCS2 and len(octets) % 2:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, "UCS-2 with an odd number of octets")
    try:
        text = octets.decode("utf-16-be" if encoding is Encoding.UCS2 else encoding)
    except UnicodeDecodeError:  # half of a pair that the customer cut in two, or eight bits in ASCII: kept as it is
        return _octets(octets, header, data_coding, flash)
    if "\0" in text:
        return _octets(octets, header, data_coding, flash)
    override = _differing(encoding, flash, data_coding)
    return UserData(content=text, coding=encoding, flash=flash, udh=header, data_coding=override)


def _octets(octets: bytes, header: bytes, data_coding: int, flash: bool) -> UserData:
    override = _differing(Encoding.BINARY, flash, data_coding)
    return UserData(binary=octets, coding=Encoding.BINARY, flash=flash, udh=header, data_coding=override)


def _differing(encoding: Encoding, flash: bool, data_coding: int) -> int | None:
    try:
        ours = gsm.data_coding(encoding, flash=flash)
    except ValueError:
        return data_coding
    return None if ours == data_coding else data_coding


def _seven_bit(octets: bytes, header: int, alphabet: str) -> tuple[str, Encoding | None]:
    """The default alphabet as the client means it; a text in another one may need Unicode on the air."""
    if alphabet in (ClientAlphabet.LATIN1, ClientAlphabet.ASCII):
        return octets.decode("latin-1"), None
    if alphabet == ClientAlphabet.GSM_PACKED:
        octets = gsm.unpack7(octets, fill_bits=gsm.fill_bits_after(header))
    return gsm.decode_unpacked(octets), Encoding.GSM7


def _sar(tlvs: Tlvs) -> tuple[int, int, int] | None:
    """Reference, total and number of a part marked by SAR parameters; raises Refused."""
    total = tlvs.integer(Tag.SAR_TOTAL_SEGMENTS) if tlvs else None
    if total is None:  # without it the others mean nothing (SMPP 3.4 §5.3.2.22)
        return None
    reference, number = tlvs.integer(Tag.SAR_MSG_REF_NUM), tlvs.integer(Tag.SAR_SEGMENT_SEQNUM)
    if total == 1 and number in (None, 1):  # the whole text
        return None
    if total and (reference is None or number is None):
        raise Refused(CommandStatus.ESME_RMISSINGOPTPARAM, "sar_* parameters come three together")
    if reference is None or number is None or not 1 <= number <= total <= gsm.MAX_PARTS:
        raise Refused(CommandStatus.ESME_RINVOPTPARAMVAL, f"sar part {number} of {total}")
    return reference, total, number


def _concatenation(data: UserData, header: bytes, part: tuple[int, int, int]) -> bytes:
    """The header element of a SAR part: its reference whole where there is room, else its last eight bits."""
    reference, total, number = part
    if reference > _REFERENCE_8:
        wide = gsm.udh_concat(reference, total, number, bits=16)
        if _fits(data, max(1, len(header)) + len(wide) - 1):
            return wide
    return gsm.udh_concat(reference, total, number, bits=8)


def _fits(data: UserData, header: int) -> bool:
    if data.binary is not None:
        return len(data.binary) <= 140 - header
    encoding = data.coding or gsm.detect(data.content)
    room = (140 - header) * 8 // 7 if encoding is Encoding.GSM7 else 140 - header
    size = gsm.units(data.content, encoding)
    return size * (2 if encoding is Encoding.UCS2 else 1) <= room


def joined(first: bytes, second: bytes) -> bytes:
    """One user data header of two: the length octet counts all elements; raises Refused when it cannot."""
    elements = first[1:] + second[1:]
    if len(elements) > _MOST_ELEMENTS:
        raise Refused(CommandStatus.ESME_RINVESMCLASS, "the user data header has no room for the part that sar_* names")
    return bytes((len(elements),)) + elements


def _with_header(data: UserData, header: bytes) -> UserData:
    return UserData(
        content=data.content,
        binary=data.binary,
        coding=data.coding,
        flash=data.flash,
        udh=header,
        data_coding=data.data_coding,
    )
