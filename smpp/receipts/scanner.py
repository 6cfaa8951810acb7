"""Finds the `key:value` pairs of a receipt text in any order, any subset and any spelling."""

import re
from datetime import UTC, datetime, tzinfo

# A digit may stand before a key, because some senders leave the space out (`sub:001dlvrd:001`).
_KEY = re.compile(r"(?<![a-z_])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s*:", re.IGNORECASE)
# Appendix B to the letter, which most carriers send: read at once, a tenth of the search for keys.
USUAL = re.compile(
    "id:([^\\s,;|:]+) sub:([0-9]+) dlvrd:([0-9]+) submit date:([0-9]+) done date:([0-9]+) "
    "stat:([A-Za-z]+) err:([0-9A-Za-z]+) [Tt]ext:(.*)",
    re.DOTALL,
)
_USUAL_KEYS = ("id", "sub", "dlvrd", "submitdate", "donedate", "stat", "err", "text")
_TOKEN = re.compile(r"[^\s,;|]+")
_DIGITS = re.compile(r"[0-9]+")


def scan(text: str) -> dict[str, str]:
    """Return the pairs by lower-case key without spaces; `text` keeps its whole value.

    What follows `text:` belongs to the message and is not searched, unless no `stat:` stands before it.
    """
    usual = USUAL.fullmatch(text)
    if usual is None:
        return search(text)
    return dict(zip(_USUAL_KEYS, (*usual.groups()[:-1], usual[8].strip()), strict=True))


def search(text: str) -> dict[str, str]:
    """As `scan`, for a text of any form."""
    matches = list(_KEY.finditer(text))
    keys = [re.sub(r"[ _]", "", match[1].lower()) for match in matches]
    if "text" in keys and "stat" in keys[: keys.index("text")]:
        matches = matches[: keys.index("text") + 1]
    ends = [match.start() for match in matches[1:]] + [len(text)]
    found: dict[str, str] = {}
    for match, key, end in zip(matches, keys, ends, strict=False):
        # The first one counts: a later `id:` is part of what somebody wrote.
        found.setdefault(key, _value(key, text[match.end() : end]))
    return found


def parse_date(digits: str, zone: tzinfo = UTC) -> datetime | None:
    """Return a date of 10, 12 or 14 digits in UTC; None for zeros and nonsense.

    Twelve digits are YYMMDDhhmmss, or YYYYMMDDhhmm where that makes no date.
    """
    match = _DIGITS.match(digits)
    if match is None or not match[0].strip("0"):
        return None
    number = match[0]
    # The 16 characters of §7.1.1 begin with twelve digits.
    number = number[:12] if len(number) > 14 else number
    for written in _with_century(number):
        try:
            return _moment(written, zone)
        except (ValueError, OverflowError):
            continue
    return None


def _moment(written: str, zone: tzinfo) -> datetime:
    """Build YYYYMMDDhhmm[ss] by hand: strptime would take half of the time of a whole receipt."""
    second = int(written[12:]) if len(written) > 12 else 0
    day = (int(written[:4]), int(written[4:6]), int(written[6:8]))
    return datetime(*day, int(written[8:10]), int(written[10:12]), second, tzinfo=zone).astimezone(UTC)


def _with_century(number: str) -> tuple[str, ...]:
    """Return what the digits may mean, each beginning with four digits of the year."""
    if len(number) == 14:
        return (number,)
    if len(number) == 12:
        return ("20" + number, number)
    return ("20" + number,) if len(number) == 10 else ()


def count_digits(text: str) -> int:
    """Return how many digits a date was written with."""
    match = _DIGITS.match(text)
    return len(match[0]) if match else 0


def parse_count(text: str) -> int | None:
    """Return a number like `001`, or None."""
    match = _DIGITS.match(text)
    return int(match[0]) if match and len(match[0]) <= 9 else None


def _value(key: str, raw: str) -> str:
    if key == "text":
        return raw.strip()
    token = _TOKEN.search(raw)
    return token[0] if token else ""
