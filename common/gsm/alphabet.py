"""Which alphabet a text needs, how long it is in it, and its octets on the wire (3GPP TS 23.038)."""

import codecs
from enum import StrEnum

from common.gsm.tables import (
    ASCII_BASIC,
    ASCII_EXTENSION,
    BASIC,
    BASIC_CODES,
    BASIC_TEXT,
    CHARACTERS,
    CODE_MAP,
    ESCAPE,
    EXTENSION_TEXT,
    PAIRS,
    TO_SEPTETS,
)


class Encoding(StrEnum):
    """How the user data of a message is written; text in `BINARY` has one character per octet."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"
    BINARY = "binary"
    LATIN1 = "latin1"
    ASCII = "ascii"


class UnencodableText(ValueError):
    """The text holds a character that the encoding cannot write: `character` at `position` is the first."""

    def __init__(self, encoding: Encoding, position: int, character: str) -> None:
        super().__init__(f"U+{ord(character):04X} at position {position} is not in {encoding}")
        self.encoding = encoding
        self.position = position
        self.character = character


_OCTET_CODEC = {Encoding.LATIN1: "latin-1", Encoding.BINARY: "latin-1", Encoding.ASCII: "ascii"}


def _codes(text: str) -> bytes:
    """Private codes of the text (see tables); raises UnencodableText."""
    try:
        codes = codecs.charmap_encode(text, "strict", CODE_MAP)[0]
    except UnicodeEncodeError as error:
        raise UnencodableText(Encoding.GSM7, error.start, text[error.start]) from None
    if 0 in codes:
        raise UnencodableText(Encoding.GSM7, codes.index(0), "\x00")
    return codes


def gsm_cost(text: str) -> int | None:
    """Septets of the text in GSM 7-bit, None if a character is in neither table."""
    if text.isascii():
        rest = text.encode("ascii").translate(None, ASCII_BASIC)
        if not rest:
            return len(text)
        return None if rest.translate(None, ASCII_EXTENSION) else len(text) + len(rest)
    try:
        codes = _codes(text)
    except UnencodableText:
        return None
    return len(codes) + len(codes.translate(None, BASIC_CODES))


def utf16_units(text: str) -> int:
    """UTF-16 code units; a lone surrogate counts one."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def _octets(text: str, encoding: Encoding) -> bytes:
    try:
        return text.encode(_OCTET_CODEC[encoding])
    except UnicodeEncodeError as error:
        raise UnencodableText(encoding, error.start, text[error.start]) from None


def detect(text: str) -> Encoding:
    """GSM7 if every character is in the basic or extension table, else UCS2."""
    return Encoding.UCS2 if gsm_cost(text) is None else Encoding.GSM7


def units(text: str, encoding: Encoding) -> int:
    """Length in septets (GSM7), UTF-16 code units (UCS2) or octets; raises UnencodableText."""
    if encoding is Encoding.UCS2:
        return utf16_units(text)
    if encoding is not Encoding.GSM7:
        return len(_octets(text, encoding))
    cost = gsm_cost(text)
    return len(encode_unpacked(text)) if cost is None else cost


def culprits(text: str) -> list[tuple[int, str]]:
    """Position and character of everything that forces Unicode, in order; empty for a GSM text."""
    if gsm_cost(text) is not None:
        return []
    return [(position, character) for position, character in enumerate(text) if character not in CHARACTERS]


def encode_unpacked(text: str) -> bytes:
    """Septets one per octet, extension characters as escape pairs; raises UnencodableText."""
    codes = _codes(text)
    if codes.translate(None, BASIC_CODES):
        for code, pair in PAIRS:
            codes = codes.replace(code, pair)
    return codes.translate(TO_SEPTETS)


def decode_unpacked(data: bytes) -> str:
    """Text of septets in octets (bit 8 is ignored); never raises.

    An unknown escape shows the basic character, a double or last escape a space (TS 23.038 §6.2.1 note 1).
    """
    if ESCAPE not in data and ESCAPE | 0x80 not in data:
        return codecs.charmap_decode(data, "strict", BASIC + BASIC)[0]
    characters: list[str] = []
    escaped = False
    for octet in data:
        septet = octet & 0x7F
        if septet == ESCAPE:
            if escaped:
                characters.append(" ")
            escaped = not escaped
            continue
        basic = BASIC_TEXT[septet]
        characters.append(EXTENSION_TEXT.get(septet, basic) if escaped else basic)
        escaped = False
    if escaped:
        characters.append(" ")
    return "".join(characters)


def encode_ucs2(text: str) -> bytes:
    """UTF-16 big-endian without byte order mark; a lone surrogate travels as it is."""
    return text.encode("utf-16-be", "surrogatepass")


def decode_ucs2(data: bytes) -> str:
    """Text of UTF-16BE octets; lone surrogates and an odd last octet become U+FFFD, never raises."""
    return data.decode("utf-16-be", "replace")


def encode(text: str, encoding: Encoding) -> bytes:
    """User data octets of the text (GSM7 unpacked); raises UnencodableText."""
    if encoding is Encoding.GSM7:
        return encode_unpacked(text)
    return encode_ucs2(text) if encoding is Encoding.UCS2 else _octets(text, encoding)


def decode(data: bytes, encoding: Encoding) -> str:
    """Text of user data octets (GSM7 unpacked); never raises, what cannot be read becomes U+FFFD."""
    if encoding is Encoding.GSM7:
        return decode_unpacked(data)
    if encoding is Encoding.UCS2:
        return decode_ucs2(data)
    return data.decode(_OCTET_CODEC[encoding], "replace")
