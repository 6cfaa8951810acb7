"""Query parameters of lists: known names only, each read by its type; opaque cursors (reliability S17)."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

from common import phone
from common.errors import Code, Rejected
from messaging import wirelog
from messaging.fields import is_clean
from messaging.selectors import LARGEST_PAGE, PAGE, Filters

NAMES: Final = frozenset(
    {"to", "from", "status", "client_ref", "tag", "created_after", "created_before", "cursor", "limit"}
)
_CREDENTIALS: Final = frozenset({"user", "password"})
LONGEST: Final = 200
_ENTRY: Final = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{4,8}")
Value = TypeVar("Value")
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)  # no message is older, and ids begin in 1970


def check_names(query: Mapping[str, str], names: frozenset[str] = NAMES) -> None:
    """Raises Rejected for a parameter that the list does not know, or a value that nothing can have."""
    for name, value in query.items():
        if name in _CREDENTIALS:
            continue
        if name not in names:
            raise Rejected(Code.UNKNOWN_FIELD, f"Unknown parameter {name[:64]}", {name[:64]: "unknown"})
        if len(value) > LONGEST or not is_clean(value):
            raise _wrong(name, f"at most {LONGEST} characters, no U+0000")


def read_filters(query: Mapping[str, str]) -> Filters:
    """What the list is narrowed to; raises Rejected that names the parameter."""
    return Filters(
        to=_number(query.get("to", "")),
        sender=query.get("from", ""),
        status=query.get("status", ""),
        client_ref=query.get("client_ref", ""),
        tag=query.get("tag", ""),
        created_from=_moment(query, "created_after"),
        created_to=_moment(query, "created_before"),
    )


def read_wire_filters(query: Mapping[str, str]) -> wirelog.Filters:
    """What the wire log is narrowed to; raises Rejected that names the parameter."""
    return wirelog.Filters(
        command=_asked(query, "command", wirelog.command_of),
        status=_asked(query, "status", wirelog.status_of) if query.get("status") else None,
        errors=_flag(query, "errors"),
        number=_asked(query, "number", wirelog.number_of),
        message_id=query.get("message_id", ""),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
    )


def read_limit(query: Mapping[str, str], *, usual: int = PAGE, largest: int = LARGEST_PAGE) -> int:
    """How many a page holds, 1 to `largest`."""
    given = query.get("limit", "")
    if not given:
        return usual
    if not (given.isascii() and given.isdigit()) or len(given) > 4 or not 1 <= int(given) <= largest:
        raise _wrong("limit", f"1 to {largest}")
    return int(given)


def read_entry_cursor(query: Mapping[str, str]) -> str:
    """Where a page of the wire log begins; empty: at the newest."""
    given = query.get("cursor", "")
    if given and not _ENTRY.fullmatch(given):
        raise _wrong("cursor", "as it was given in next_cursor")
    return given


def read_cursor(query: Mapping[str, str]) -> UUID | None:
    """Where the page begins; None: at the newest."""
    given = query.get("cursor", "")
    if not given:
        return None
    try:
        return UUID(bytes=base64.b64decode(given + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise _wrong("cursor", "as it was given in next_cursor") from None


def write_cursor(cursor: UUID | None) -> str | None:
    """The opaque text of a cursor."""
    return None if cursor is None else base64.urlsafe_b64encode(cursor.bytes).decode().rstrip("=")


def _number(given: str) -> str:
    if not given.strip():
        return ""
    try:
        return phone.normalise(given, allow_short=True)
    except phone.InvalidNumber as error:
        raise Rejected(Code.INVALID_NUMBER, "Invalid number", {"to": error.reason}) from error


def _asked(query: Mapping[str, str], name: str, read: Callable[[str], Value]) -> Value:
    try:
        return read(query.get(name, ""))
    except ValueError as error:
        raise _wrong(name, str(error)) from error


def _flag(query: Mapping[str, str], name: str) -> bool:
    given = query.get(name, "")
    if given not in ("", "0", "1"):
        raise _wrong(name, "0 or 1")
    return given == "1"


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    given = query.get(name, "")
    if not given:
        return None
    try:
        # A plus that was not escaped arrives as a space.
        moment = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
    except ValueError:
        raise _wrong(name, "an ISO 8601 date and time") from None
    if moment.utcoffset() is None:
        raise _wrong(name, "a date and time with offset, for example 2027-01-31T09:00:00Z")
    return max(moment, _FIRST)


def _wrong(name: str, expected: str) -> Rejected:
    return Rejected(Code.INVALID_VALUE, f"Invalid {name}", {name: expected})
