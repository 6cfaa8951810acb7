"""What a text will cost, in words for people and pages."""

from dataclasses import dataclass
from typing import Any

from common.gsm.alphabet import Encoding, culprits, detect, units
from common.gsm.splitting import ROOM, fill, room_per_part
from common.gsm.tables import BASIC, EXTENSION


@dataclass(frozen=True, slots=True)
class Segments:
    """Size of a text: `units` in all, `per_part` room of each part now, `remaining` free in the last.

    `culprits` are the positions and characters that force Unicode (only when the encoding is UCS2).
    """

    encoding: Encoding
    characters: int
    units: int
    parts: int
    per_part: int
    remaining: int
    culprits: tuple[tuple[int, str], ...] = ()


def describe(text: str, coding: Encoding | None = None, *, reference_bits: int = 8) -> Segments:
    """Size of the text in `coding` (None: detected); raises UnencodableText."""
    encoding = coding or detect(text)
    total = units(text, encoding)
    per_part, parts, last = ROOM[encoding].single, 1, total
    if total > per_part:
        per_part = room_per_part(encoding, reference_bits)
        parts, last = fill(text, encoding, total, per_part)
    forcing = tuple(culprits(text)) if encoding is Encoding.UCS2 else ()
    return Segments(encoding, len(text), total, parts, per_part, per_part - last, forcing)


def tables_for_javascript() -> dict[str, Any]:
    """Everything the counter in the browser needs, as plain JSON: characters by cost, and room per part."""
    return {
        "basic": BASIC.replace("\x1b", ""),
        "extension": "".join(EXTENSION),
        "limits": {
            encoding.value: {"single": room.single, "8": room.part8, "16": room.part16}
            for encoding, room in ROOM.items()
        },
    }
