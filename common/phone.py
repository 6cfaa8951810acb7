"""Telephone numbers and senders in one spelling, so that every check compares like with like."""

import re
import unicodedata
from enum import StrEnum
from typing import Final

from common.gsm import UnencodableText, units
from common.gsm.alphabet import Encoding

SHORTEST_NUMBER: Final = 7
LONGEST_NUMBER: Final = 15  # ITU-T E.164 §6.2.1
SHORTEST_CODE: Final = 3
LONGEST_SENDER: Final = 11  # septets in ten address octets, 3GPP TS 23.040 §9.1.2.5

_LONGEST_INPUT = 64  # a number with every separator is shorter; longer is no number
_PLUS = frozenset("++﹢")
_SEPARATORS = frozenset(".()․()﹒⁃−·‧")
_SEPARATOR_CATEGORIES = frozenset({"Zs", "Pd", "Cf"})  # spaces, dashes, invisible marks of copied contacts
_SPACES = frozenset("\t\n\r\v\f\u2028\u2029")
_TRUNK_PREFIX = re.compile(r"\(\W*0\W*\)")
_SPREADSHEET_FLOAT = re.compile(r"\d+\.0")


class InvalidNumber(ValueError):
    """`reason`: empty, letters, characters, too_short, too_long, leading_zero, trunk_prefix or decimal."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a telephone number: {reason}")
        self.reason = reason


class InvalidSender(ValueError):
    """`reason`: empty, characters, no_letter or too_long."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a sender: {reason}")
        self.reason = reason


class SenderKind(StrEnum):
    """What a sender looks like; decides type of number on the wire."""

    ALPHANUMERIC = "alphanumeric"
    NUMERIC = "numeric"
    SHORTCODE = "shortcode"


def normalise(raw: str, *, allow_short: bool = False) -> str:
    """E.164 digits without plus; `allow_short` also lets short codes of 3..6 digits pass.

    Takes a leading `+` or `00`, spaces, dashes, dots, parentheses and any decimal digits of Unicode. Never
    guesses a country: raises InvalidNumber for a national `0...` and for `+44 (0)20...`, where Italy keeps
    the zero and others drop it.
    """
    if raw.isascii() and raw.isdigit() and raw[0] != "0" and SHORTEST_NUMBER <= len(raw) <= LONGEST_NUMBER:
        return raw
    if len(raw) > _LONGEST_INPUT:
        raise InvalidNumber("too_long")
    return _checked(_international(_digits(raw)), allow_short)


def _digits(raw: str) -> str:
    """ASCII digits of the spelling, with one leading plus if it had one."""
    kept: list[str] = []
    for character in raw:
        if character in _PLUS and not any(kept):
            kept.append("+")
        else:
            kept.append(_digit_or_nothing(character))
    if _TRUNK_PREFIX.search(unicodedata.normalize("NFKC", raw)):
        raise InvalidNumber("trunk_prefix")
    if _SPREADSHEET_FLOAT.fullmatch(raw.strip()):
        raise InvalidNumber("decimal")
    return "".join(kept)


def _digit_or_nothing(character: str) -> str:
    value = unicodedata.decimal(character, None)
    if value is not None:
        return str(value)
    if character in _SEPARATORS or character in _SPACES:
        return ""
    category = unicodedata.category(character)
    if category in _SEPARATOR_CATEGORIES:
        return ""
    raise InvalidNumber("letters" if category.startswith("L") else "characters")


def _international(digits: str) -> str:
    return digits.removeprefix("+").removeprefix("00")


def _checked(digits: str, allow_short: bool) -> str:
    if not digits:
        raise InvalidNumber("empty")
    if len(digits) > LONGEST_NUMBER:
        raise InvalidNumber("too_long")
    if len(digits) < (SHORTEST_CODE if allow_short else SHORTEST_NUMBER):
        raise InvalidNumber("too_short")
    if digits[0] == "0":
        raise InvalidNumber("leading_zero")
    return digits


def sender_kind(sender: str) -> SenderKind:
    """Digits (with or without plus) are numeric, up to six without plus a short code, else alphanumeric."""
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return SenderKind.ALPHANUMERIC
    short = len(sender) < SHORTEST_NUMBER and digits == sender
    return SenderKind.SHORTCODE if short else SenderKind.NUMERIC


def check_sender(sender: str) -> str:
    """The sender as it is stored: outer spaces gone, digits without plus; raises InvalidSender.

    Alphanumeric: printable GSM characters, at most 11 septets, at least one letter. Numeric: 1..15 digits.
    """
    trimmed = sender.strip(" ")
    if not trimmed:
        raise InvalidSender("empty")
    if sender_kind(trimmed) is SenderKind.ALPHANUMERIC:
        return _check_alphanumeric(trimmed)
    digits = trimmed.removeprefix("+")
    if len(digits) > LONGEST_NUMBER:
        raise InvalidSender("too_long")
    return digits


def _check_alphanumeric(sender: str) -> str:
    try:
        septets = units(sender, Encoding.GSM7)
    except UnencodableText:
        raise InvalidSender("characters") from None
    if not sender.isprintable():  # line feed, carriage return and form feed are GSM characters too
        raise InvalidSender("characters")
    if not any(character.isalpha() for character in sender):
        raise InvalidSender("no_letter")
    if septets > LONGEST_SENDER:
        raise InvalidSender("too_long")
    return sender


def mask(number: str) -> str:
    """The number for logs: only its last four characters readable, its length kept."""
    return "*" * (len(number) - 4) + number[-4:]
