"""How many parts a message has; the binds cut by the same rules of common.gsm."""

from common.errors import Code, Rejected
from common.gsm import ROOM, Encoding, count_parts, read_concat, read_udh, split_octets, units

_OCTETS = 140  # user data of one part, 3GPP TS 23.040 §9.2.3.24


def count_segments(content: str, encoding: Encoding, udh: bytes) -> int:
    """Parts of the content (hex when BINARY) beside the customer's own header.

    Raises Rejected(TOO_MANY_PARTS) when the own header leaves no way to split.
    """
    if encoding is Encoding.BINARY:
        return len(_octet_parts(bytes.fromhex(content), udh))
    if udh:
        _refuse_beyond(units(content, encoding), _room_beside(encoding, len(udh)))
        return 1
    return count_parts(content, encoding)


def _octet_parts(data: bytes, udh: bytes) -> list[bytes]:
    if udh and read_concat(read_udh(udh)[0]):  # the customer splits by himself
        _refuse_beyond(len(data), _OCTETS - len(udh))
        return [data]
    try:
        return split_octets(data, user_header_octets=len(udh))
    except ValueError as error:
        raise Rejected(Code.INVALID_VALUE, "The user data header leaves no room", {"udh": "too long"}) from error


def _room_beside(encoding: Encoding, header: int) -> int:
    """Units of a text in the one part that it shares with a header."""
    octets = max(0, _OCTETS - header)
    if ROOM[encoding].single == ROOM[Encoding.GSM7].single:
        return octets * 8 // 7
    return octets // 2 if encoding is Encoding.UCS2 else octets


def _refuse_beyond(size: int, room: int) -> None:
    if size > room:
        message = "A message with a user data header of its own must fit into one part"
        raise Rejected(Code.TOO_MANY_PARTS, message, {"content": f"at most {room} units"})
