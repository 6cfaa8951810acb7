"""The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1), in forms that run fast.

Between text and septets stands a private numbering ("codes"), so that the whole step runs in C:
code = septet + 1 for the basic table, 0x81 and up for the extension characters. Code 0 stays for U+0000,
which is in no GSM table: CPython's fast encoding map insists on 0 meaning U+0000.
"""

import codecs
from typing import Any, Final

ESCAPE: Final = 0x1B

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Character of each septet 0..127; index 0x1B is the escape and no character."""

EXTENSION: Final[dict[str, int]] = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""Characters that cost two septets (escape, then this one)."""

BASIC_CHARACTERS: Final = frozenset(BASIC) - {"\x1b"}
CHARACTERS: Final = BASIC_CHARACTERS | frozenset(EXTENSION)

_UNDEFINED = "\ufffe"
_FIRST_EXTENSION_CODE = 0x81


def _decoding_table() -> str:
    """The 256 characters of the private codes, `_UNDEFINED` where a code stands for nothing."""
    basic = BASIC.replace("\x1b", _UNDEFINED)
    return ("\x00" + basic + "".join(EXTENSION)).ljust(256, _UNDEFINED)


CODE_MAP: Final[Any] = codecs.charmap_build(_decoding_table())
"""Encoding map text → private codes, for `codecs.charmap_encode`."""

BASIC_CODES: Final = bytes(range(1, 129))
"""Codes that cost one septet; what is left after deleting them costs two."""

PAIRS: Final = tuple(
    (bytes([_FIRST_EXTENSION_CODE + order]), bytes([ESCAPE + 1, septet + 1]))
    for order, septet in enumerate(EXTENSION.values())
)
"""Code of an extension character → codes of escape and partner."""

TO_SEPTETS: Final = bytes([0, *range(128)]) + bytes(127)
"""`bytes.translate` table from basic codes to septets."""

BASIC_TEXT: Final = {septet: character for septet, character in enumerate(BASIC) if septet != ESCAPE}
EXTENSION_TEXT: Final = {septet: character for character, septet in EXTENSION.items()}

ASCII_BASIC: Final = bytes(ord(character) for character in BASIC_CHARACTERS if character.isascii())
ASCII_EXTENSION: Final = bytes(ord(character) for character in EXTENSION if character.isascii())
