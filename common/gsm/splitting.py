"""Cutting long messages into parts (spec: 160/153/152 septets, 70/67/66 UTF-16 units, 140/134/133 octets).

Billing counts these parts, so `count_parts` and `split` share every rule. `ceil(units / 153)` is wrong: a
pair that does not fit moves whole to the next part.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from common.gsm.alphabet import Encoding, detect, encode_unpacked, units
from common.gsm.clusters import before_cluster
from common.gsm.tables import ESCAPE, EXTENSION

MAX_PARTS: Final = 255
"""By protocol (one octet in the header). Splitting does not stop there; intake refuses more."""


class Room(NamedTuple):
    """How much fits: into a message of one part, and into each part with an 8-bit or 16-bit reference."""

    single: int
    part8: int
    part16: int


SEPTETS: Final = Room(160, 153, 152)
UCS2_UNITS: Final = Room(70, 67, 66)
OCTETS: Final = Room(140, 134, 133)

ROOM: Final = {
    Encoding.GSM7: SEPTETS,
    Encoding.ASCII: SEPTETS,
    Encoding.UCS2: UCS2_UNITS,
    Encoding.LATIN1: OCTETS,
    Encoding.BINARY: OCTETS,
}


def room_per_part(encoding: Encoding, reference_bits: int = 8) -> int:
    """Units in each part of a message of several; raises ValueError unless `reference_bits` is 8 or 16."""
    if reference_bits not in (8, 16):
        raise ValueError(f"a reference has 8 or 16 bits, not {reference_bits}")
    return ROOM[encoding].part8 if reference_bits == 8 else ROOM[encoding].part16


def fill(text: str, encoding: Encoding, total: int, per_part: int) -> tuple[int, int]:
    """(parts, units in the last part) when `text` of `total` units is cut into parts of `per_part`."""
    if _one_unit_each(text, encoding, total):
        return max(1, -(-total // per_part)), (total - 1) % per_part + 1 if total else 0
    octets, limit, pair = _stream(text, encoding, per_part)
    parts, start = 1, 0
    while len(octets) - start > limit:
        start = _cut(octets, start + limit, pair)
        parts += 1
    return parts, (len(octets) - start) * per_part // limit


def _one_unit_each(text: str, encoding: Encoding, total: int) -> bool:
    """Whether any place may be cut; surrogates as characters of their own (broken input) count as pairs."""
    if total != len(text):
        return False
    return encoding is not Encoding.UCS2 or text.isascii() or not _has_surrogates(text)


def _has_surrogates(text: str) -> bool:
    try:
        text.encode("utf-16-be")
    except UnicodeEncodeError:
        return True
    return False


def _stream(text: str, encoding: Encoding, per_part: int) -> tuple[bytes, int, bool]:
    """The octets to walk over, octets per part, and whether they are escape pairs (else surrogate pairs)."""
    if encoding is Encoding.GSM7:
        return encode_unpacked(text), per_part, True
    return text.encode("utf-16-be", "surrogatepass"), per_part * 2, False


def _cut(octets: bytes, end: int, escapes: bool) -> int:
    """`end`, moved before the pair that it would cut."""
    if escapes:
        return end - 1 if octets[end - 1] == ESCAPE else end
    high = 0xD8 <= octets[end - 2] <= 0xDB and 0xDC <= octets[end] <= 0xDF
    return end - 2 if high else end


def count_parts(text: str, encoding: Encoding | None = None, *, reference_bits: int = 8) -> int:
    """Number of parts that `split` gives, without building them; raises UnencodableText."""
    chosen = encoding or detect(text)
    total = units(text, chosen)
    if total <= ROOM[chosen].single:
        return 1
    return fill(text, chosen, total, room_per_part(chosen, reference_bits))[0]


def split(text: str, encoding: Encoding, *, reference_bits: int = 8) -> list[str]:
    """Parts that joined give `text`; at least one, never cut inside an escape or surrogate pair.

    A grapheme cluster stays whole only where that does not raise the number of parts. Raises UnencodableText.
    """
    total = units(text, encoding)
    if total <= ROOM[encoding].single:
        return [text]
    per_part = room_per_part(encoding, reference_bits)
    if _one_unit_each(text, encoding, total) and not _has_clusters(text, encoding):
        return [text[start : start + per_part] for start in range(0, len(text), per_part)]
    return _walk(text, encoding, per_part)


def _has_clusters(text: str, encoding: Encoding) -> bool:
    return "\r\n" in text if encoding is not Encoding.UCS2 else not text.isascii() or "\r\n" in text


def _walk(text: str, encoding: Encoding, per_part: int) -> list[str]:
    cost = _WIDTH.get(encoding, _one)
    spare = fill(text, encoding, units(text, encoding), per_part)[0]
    parts: list[str] = []
    start = 0
    while spare > 1:
        end = _furthest(text, start, per_part, cost)
        spare -= 1
        whole = before_cluster(text, start, end)
        if whole != end:
            rest = text[whole:]
            if fill(rest, encoding, units(rest, encoding), per_part)[0] <= spare:
                end = whole
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _one(_: str) -> int:
    return 1


def _gsm_width(character: str) -> int:
    return 2 if character in EXTENSION else 1


def _utf16_width(character: str) -> int:
    return 2 if character > "\uffff" else 1


_WIDTH: Final[dict[Encoding, Callable[[str], int]]] = {
    Encoding.GSM7: _gsm_width,
    Encoding.UCS2: _utf16_width,
}


def _furthest(text: str, start: int, per_part: int, cost: Callable[[str], int]) -> int:
    """End of the longest piece from `start` that fits; lone surrogates side by side count as a pair."""
    room = per_part
    for position in range(start, min(len(text), start + per_part)):
        room -= cost(text[position])
        if room < 0:
            return _between_surrogates(text, position)
    return _between_surrogates(text, min(len(text), start + per_part))


def _between_surrogates(text: str, end: int) -> int:
    if end < len(text) and "\ud800" <= text[end - 1] <= "\udbff" and "\udc00" <= text[end] <= "\udfff":
        return end - 1
    return end


def split_octets(data: bytes, *, user_header_octets: int = 0, reference_bits: int = 8) -> list[bytes]:
    """Parts of binary user data, at least one.

    `user_header_octets` is the size of the caller's own user data header with its length octet (0: none); it
    is repeated in every part and the concatenation element joins it. Raises ValueError if no room is left.
    """
    room = room_per_part(Encoding.BINARY, reference_bits) - max(0, user_header_octets - 1)
    if room < 1 or user_header_octets < 0:
        raise ValueError(f"a header of {user_header_octets} octets leaves no room")
    if len(data) <= OCTETS.single - user_header_octets:
        return [data]
    return [data[start : start + room] for start in range(0, len(data), room)]
