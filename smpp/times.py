"""The SMPP time format both ways (SMPP 3.4 §7.1.1): absolute `YYMMDDhhmmsstnnp`, relative `…000R`."""

import re
from datetime import UTC, datetime, timedelta, timezone

_FORMAT = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([+\-R])", re.ASCII)
_QUARTER = timedelta(minutes=15)
# A relative time counts calendar units; both ends of this file take a year as 365 and a month as 30 days.
_YEAR_DAYS = 365
_MONTH_DAYS = 30
_DAY_FIELD_MAX = 31


def format_absolute(moment: datetime) -> str:
    """Return 16 characters for an aware time, in its own offset if that is a whole quarter hour."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("an aware time is needed")
    if offset % _QUARTER:
        moment, offset = moment.astimezone(UTC), timedelta(0)
    quarters = abs(offset) // _QUARTER
    sign = "-" if offset < timedelta(0) else "+"
    return f"{moment:%y%m%d%H%M%S}{moment.microsecond // 100_000}{quarters:02}{sign}"


def format_relative(span: timedelta) -> str:
    """Return 16 characters for a time from now, whole seconds; raises ValueError if negative or over 99 years."""
    if span < timedelta(0):
        raise ValueError("a relative time lies ahead")
    years, months, days = _split_days(span.days)
    if years > 99:
        raise ValueError("a relative time has at most 99 years")
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{years:02}{months:02}{days:02}{hours:02}{minutes:02}{seconds:02}000R"


def parse_time(text: str, *, now: datetime) -> datetime | None:
    """Return the moment meant, aware, or None for "" (the receiver's default).

    A relative time is added to `now`. Raises ValueError for anything else than the 16 characters.
    """
    if not text:
        return None
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an SMPP time")
    *numbers, sign = match.groups()
    year, month, day, hour, minute, second, tenths, quarters = map(int, numbers)
    if sign == "R":
        days = year * _YEAR_DAYS + month * _MONTH_DAYS + day
        return now + timedelta(days=days, hours=hour, minutes=minute, seconds=second)
    if quarters > 48:
        raise ValueError(f"{text!r} is more than twelve hours from UTC")
    zone = timezone(quarters * _QUARTER * (-1 if sign == "-" else 1))
    return datetime(2000 + year, month, day, hour, minute, second, tenths * 100_000, zone)


def _split_days(days: int) -> tuple[int, int, int]:
    if days <= _DAY_FIELD_MAX:
        return 0, 0, days
    years, rest = divmod(days, _YEAR_DAYS)
    months, rest = divmod(rest, _MONTH_DAYS)
    return years, months, rest
