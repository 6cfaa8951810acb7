"""Where one visible character ends: the common cases of grapheme clusters (Unicode UAX #29)."""

import unicodedata

_LONGEST_CLUSTER = 16  # characters; a longer pile of combining marks is cut hard
_EXTENDING = frozenset({"Mn", "Me", "Mc"})


def before_cluster(text: str, start: int, end: int) -> int:
    """The last place in (start, end] where a grapheme cluster begins, `end` if there is none near."""
    for place in range(end, max(start, end - _LONGEST_CLUSTER), -1):
        if place >= len(text) or not _joins(text, place):
            return place
    return end


def _joins(text: str, place: int) -> bool:
    """Whether the characters before and at `place` belong together (the common cases of UAX #29)."""
    before, after = text[place - 1], text[place]
    if after in "\u200d\u200c" or before == "\u200d" or (before == "\r" and after == "\n"):
        return True
    if unicodedata.category(after) in _EXTENDING or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U000e0020" <= after <= "\U000e007f":
        return True
    return _is_flag_letter(after) and _flag_letters_before(text, place) % 2 == 1


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, place: int) -> int:
    count = 0
    while count < place and _is_flag_letter(text[place - 1 - count]):
        count += 1
    return count
