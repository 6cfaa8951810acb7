"""Octets to values, strictly: UTF-8, JSON of RFC 8259, query parameters."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from common.errors import Code, Rejected

_CREDENTIALS = frozenset({"user", "password"})
MOST_PARAMETERS = 100


def read_query(query: str) -> dict[str, str]:
    """Query parameters, the last of equal names; raises Rejected(INVALID_VALUE) when they are not UTF-8."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS, encoding="utf-8"
        )
    except ValueError:  # UnicodeDecodeError is one
        raise Rejected(Code.INVALID_VALUE, "The query is not UTF-8 or has too many parameters") from None
    return dict(pairs)


def without_credentials(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that say what is wanted, not who wants it."""
    return {name: value for name, value in query.items() if name not in _CREDENTIALS}


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raises Rejected(UNSUPPORTED_MEDIA) unless the body is JSON or does not say what it is."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media and media != "application/json" and not media.endswith("+json"):
        raise Rejected(Code.UNSUPPORTED_MEDIA, "Content-Type must be application/json")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Rejected(Code.UNSUPPORTED_MEDIA, "Content-Encoding is not supported")


def read_json(body: bytes) -> Any:
    """The value of a JSON text; raises Rejected(INVALID_JSON).

    Refused: anything but UTF-8, NaN and Infinity, numbers of more than 4,300 digits, nesting beyond Python's
    recursion limit. Equal names in one object: the last wins.
    """
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise Rejected(Code.INVALID_JSON, "Invalid JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def canonical(value: Any) -> str:
    """One spelling for equal requests, whatever their spaces and the order of their fields."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise Rejected(Code.INVALID_JSON, "Invalid JSON") from None
