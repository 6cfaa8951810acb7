"""The fields of POST /api/v1/messages: each is read by its type, and what is wrong is named."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from api.send_contract.compat import coding
from api.send_contract.values import Draft
from common.errors import Code, Rejected

LARGEST = 2**31 - 1  # of whole numbers


def read_message(asked: Any) -> Draft:
    """The draft of one message; raises Rejected that names the field."""
    if not isinstance(asked, Mapping):
        raise Rejected(Code.INVALID_VALUE, "A message must be a JSON object")
    for name in asked:
        if name not in READERS:
            raise unknown(name)
    values = {}
    for name, given in asked.items():
        if given is not None:
            keyword, read = READERS[name]
            values[keyword] = read(name, given)
    return _checked(values)


def unknown(name: str) -> Rejected:
    """A field that does not exist; a typing error must not be a silent default."""
    shown = name[:64]
    return Rejected(Code.UNKNOWN_FIELD, f"Unknown field {shown}", {shown: "unknown"})


def _checked(values: dict[str, Any]) -> Draft:
    missing = {}
    if not values.get("to", "").strip():
        missing["to"] = "required"
    if not values.get("content") and values.get("binary") is None:
        missing["content"] = "required"
    if missing:
        raise Rejected(Code.MISSING_FIELD, "to and content required", missing)
    if values.get("content") and values.get("binary") is not None:
        raise Rejected(Code.INVALID_VALUE, "content and binary exclude each other", {"binary": "without content"})
    values.setdefault("content", "")
    return Draft(values)


def text(name: str, given: Any) -> str:
    """A JSON string."""
    if not isinstance(given, str):
        raise wrong(name, "a text")
    return given


def flag(name: str, given: Any) -> bool:
    """true or false."""
    if not isinstance(given, bool):
        raise wrong(name, "true or false")
    return given


def _count(name: str, given: Any) -> int | None:
    """A whole number; 0 means no limit of one's own."""
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= LARGEST:
        raise wrong(name, "a whole number")
    return given or None


def _moment(name: str, given: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text(name, given)[:64])
    except ValueError:
        raise wrong(name, "an ISO 8601 date and time") from None
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise wrong(name, "a date and time with offset, for example 2027-01-31T09:00:00Z")
    return moment


def _octets(name: str, given: Any) -> bytes:
    digits = text(name, given)
    if not digits.isalnum():  # bytes.fromhex takes spaces
        raise wrong(name, "hexadecimal digits")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise wrong(name, "hexadecimal digits") from None


def _texts(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise wrong(name, "a list of texts")
    return tuple(given)


def _object(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise wrong(name, "an object")
    return given


def wrong(name: str, expected: str) -> Rejected:
    """A field of the wrong type or form."""
    return Rejected(Code.INVALID_VALUE, f"{name} must be {expected}", {name: expected})


Reader = Callable[[str, Any], Any]
# JSON name → (keyword of SubmitCommand, reader)
READERS: Mapping[str, tuple[str, Reader]] = {
    "to": ("to", text),
    "content": ("content", text),
    "from": ("sender", text),
    "coding": ("coding", lambda _, given: coding(given)),
    "client_ref": ("client_ref", text),
    "send_at": ("send_at", _moment),
    "validity": ("validity", _count),
    "traffic_class": ("traffic_class", text),
    "dlr": ("dlr", flag),
    "dlr_url": ("dlr_url", text),
    "flash": ("flash", flag),
    "udh": ("udh", _octets),
    "binary": ("binary", _octets),
    "tlvs": ("tlvs", _object),
    "max_parts": ("max_parts", _count),
    "tags": ("tags", _texts),
}
