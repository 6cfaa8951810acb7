"""One value of the file to one value of Python, by the rules of the column that it is for; each raises Problem."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from standardwebhooks.webhooks import Webhook

from accounts.services import SMPP_PASSWORD_OCTETS
from accounts.verification import LONGEST_PASSWORD
from common.http.guard import check_url, parse_networks
from common.http.outcome import OutboundError
from common.money import MoneyField
from common.phone import InvalidSender, check_sender
from connectors.tables import TLV_TYPES
from gateway_project.provisioning.document import Listing, Mapping, Node, Problem, Scalar

Reader = Callable[[Node, str], Any]
SHORTEST_KEY: Final = 16
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_AMOUNT = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,12})?")
_LONGEST_SHOWN = 40
_ANYWHERE = parse_networks(["0.0.0.0/0", "::/0"])


@dataclass(frozen=True, slots=True)
class Draw:
    """The word `generate`: draw a secret when there is none yet."""


DRAW: Final = Draw()


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known word is near, else the known ones when they are few."""
    words = sorted(known)
    if near := get_close_matches(word, words, 1, 0.6):
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(words)}" if 0 < len(words) <= 8 else ""


def shown(node: Node) -> str:
    """The value as a message may show it."""
    if isinstance(node, Mapping):
        return "an object"
    if isinstance(node, Listing):
        return "a list"
    return "nothing" if node.tag == "null" else repr(node.text[:_LONGEST_SHOWN])


def text(node: Node, what: str) -> str:
    """Text as it is written; a number without quotes is taken too, true/false and nothing are not."""
    if not isinstance(node, Scalar) or node.tag == "null":
        raise Problem(node.line, f"{what} must be text, not {shown(node)}")
    if node.tag == "bool":
        raise Problem(node.line, f"{what} must be text; put {node.text} in quotes")
    if any((mark < " " and mark not in "\t\n\r") or "\ud800" <= mark <= "\udfff" for mark in node.text):
        raise Problem(node.line, f"{what} has a character that no text may have")
    return node.text


def flag(node: Node, what: str) -> bool:
    """true or false (YAML's yes/no, on/off too), without quotes."""
    if not isinstance(node, Scalar) or node.tag != "bool":
        raise Problem(node.line, f"{what} must be true or false, not {shown(node)}")
    return node.text.lower() in ("true", "yes", "on")


def whole(node: Node, what: str) -> int:
    """A whole number in decimal digits, without quotes."""
    if not isinstance(node, Scalar) or node.tag != "int" or not _WHOLE.fullmatch(node.text):
        raise Problem(node.line, f"{what} must be a whole number, not {shown(node)}")
    return int(node.text)


def amount(places: int, *, lowest: Decimal = Decimal(0)) -> Reader:
    """An exact decimal, in quotes or not, with at most `places` digits after the point and not below `lowest`."""

    def read(node: Node, what: str) -> Decimal:
        if not isinstance(node, Scalar) or not _AMOUNT.fullmatch(node.text):
            raise Problem(node.line, f'{what} must be an amount like "0.5500", not {shown(node)}')
        value = Decimal(node.text)
        if value != round(value, places):
            raise Problem(node.line, f"{what} has more than {places} digits after the point: {node.text}")
        if value < lowest:
            raise Problem(node.line, f"{what} must be {lowest} or more, not {node.text}")
        return value

    return read


def words(*, of: Collection[str] = (), each: Reader = text) -> Reader:
    """A list of words, each once; `of` names the ones that exist."""

    def read(node: Node, what: str) -> list[str]:
        if not isinstance(node, Listing):
            raise Problem(node.line, f"{what} must be a list, not {shown(node)}")
        found: list[str] = []
        for item in node.items:
            word = each(item, f"each of {what}")
            if of and word not in of:
                raise Problem(item.line, f"{what} knows no {word!r}{nearest(word, of)}")
            if word in found:
                raise Problem(item.line, f"{what} names {word!r} twice")
            found.append(word)
        return found

    return read


def one_of(choices: Collection[str]) -> Reader:
    """One of a few words."""

    def read(node: Node, what: str) -> str:
        word = text(node, what)
        if word not in choices:
            raise Problem(node.line, f"{what} knows no {word[:_LONGEST_SHOWN]!r}{nearest(word, choices)}")
        return word

    return read


def table(*, value: Reader, keys: Collection[str] = (), pattern: str = "") -> Reader:
    """An object whose keys are of these, or look like the pattern, and whose values are all read alike."""

    def read(node: Node, what: str) -> dict[str, Any]:
        if not isinstance(node, Mapping):
            raise Problem(node.line, f"{what} must be an object, not {shown(node)}")
        for key in node.entries:
            if (keys and key not in keys) or not re.fullmatch(pattern or ".*", key):
                raise Problem(node.lines[key], f"{what} knows no {key[:_LONGEST_SHOWN]!r}{nearest(key, keys)}")
        return {key: value(entry, f"{what}.{key}") for key, entry in node.entries.items()}

    return read


def sender(node: Node, what: str) -> str:
    """A sender in its stored spelling; empty for none."""
    raw = text(node, what)
    try:
        return check_sender(raw) if raw else ""
    except InvalidSender as error:
        raise Problem(node.line, f"{what} {raw[:_LONGEST_SHOWN]!r} is not a sender: {error.reason}") from error


def named_sender(node: Node, what: str) -> str:
    """A sender that is not empty."""
    if not (value := sender(node, what)):
        raise Problem(node.line, f"{what} must not be empty")
    return value


def web_address(node: Node, what: str) -> str:
    """An http or https URL without user name, or empty. Whether its host may be called is judged when it is."""
    raw = text(node, what)
    try:
        if raw:
            check_url(raw, _ANYWHERE)
    except OutboundError as error:
        raise Problem(node.line, f"{what} cannot be called: {error}") from error
    return raw


def time_zone(node: Node, what: str) -> str:
    """A zone of the tz database, or empty."""
    raw = text(node, what)
    if raw and raw not in available_timezones():
        raise Problem(node.line, f"{what} knows no zone {raw[:_LONGEST_SHOWN]!r}{nearest(raw, available_timezones())}")
    return raw


def secret(*, longest: int = LONGEST_PASSWORD, shortest: int = 1, ascii_only: bool = False) -> Reader:
    """A secret in plain letters, or `generate`; no message ever shows it."""

    def read(node: Node, what: str) -> str | Draw:
        if not isinstance(node, Scalar) or node.tag == "null":
            raise Problem(node.line, f"{what} must be text or the word generate")
        if node.text == "generate":
            return DRAW
        value = text(Scalar(node.text, "str", node.line), what)
        if not shortest <= len(value) <= longest:
            raise Problem(node.line, f"{what} must have {shortest} to {longest} characters")
        if ascii_only and not (value.isascii() and value.isprintable()):
            raise Problem(node.line, f"{what} must be printable ASCII")
        return value

    return read


def webhook_secret(node: Node, what: str) -> str | Draw:
    """A signing secret of Standard Webhooks: base64, with or without `whsec_`."""
    value: str | Draw = secret(longest=200, ascii_only=True)(node, what)
    try:
        if isinstance(value, str):
            Webhook(value)
    except ValueError as error:
        raise Problem(node.line, f"{what} must be base64, with or without whsec_ before it") from error
    return value


smpp_password = secret(longest=SMPP_PASSWORD_OCTETS, ascii_only=True)
carrier_password = secret(longest=64, ascii_only=True)  # vendors hand out more than the eight of SMPP 3.4
api_key = secret(shortest=SHORTEST_KEY, longest=200, ascii_only=True)


def free_form(node: Node, what: str) -> Any:
    """Plain data of any shape, for columns that hold JSON."""
    if isinstance(node, Mapping):
        return {key: free_form(value, f"{what}.{key}") for key, value in node.entries.items()}
    if isinstance(node, Listing):
        return [free_form(item, what) for item in node.items]
    plain: dict[str, Reader] = {"bool": flag, "int": whole, "null": lambda *_: None}
    return plain.get(node.tag, text)(node, what)


def tlv(node: Node, what: str) -> dict[str, Any]:
    """A parameter of the carrier's own: tag (number), type (octets, cstring or int), length (octets, optional)."""
    if not isinstance(node, Mapping):
        raise Problem(node.line, f"{what} must be an object, not {shown(node)}")
    known: dict[str, Reader] = {"tag": whole, "type": one_of(TLV_TYPES), "length": whole}
    for key in node.entries:
        if key not in known:
            raise Problem(node.lines[key], f"unknown key {key!r} in {what}{nearest(key, known)}")
    for key in ("tag", "type"):
        if key not in node.entries:
            raise Problem(node.line, f"{what} needs the key {key!r}")
    return {key: known[key](value, f"{what}.{key}") for key, value in node.entries.items()}


def for_column(column: Any, read: Reader | None = None) -> Reader:
    """The reader of a model's column: its type, then the column's own rules (length, choices, range, pattern)."""
    inner = read or _by_type(column)

    def read_column(node: Node, what: str) -> Any:
        if column.null and isinstance(node, Scalar) and node.tag == "null":
            return None
        value = inner(node, what)
        try:
            return column.clean(value, None)
        except ValidationError as error:
            raise Problem(node.line, f"{what}: {' '.join(error.messages)}") from error

    return read_column


def _by_type(column: Any) -> Reader:
    if column.choices:
        return one_of([value for value, _ in column.choices])
    if isinstance(column, MoneyField):
        return amount(4)
    if isinstance(column, models.DecimalField):
        return amount(column.decimal_places or 0)
    for kind, read in _BY_TYPE:
        if isinstance(column, kind):
            return read
    raise TypeError(f"no reader for {column}")


_BY_TYPE: tuple[tuple[type[Any], Reader], ...] = (
    (models.BooleanField, flag),
    (models.IntegerField, whole),
    (models.JSONField, free_form),
    (models.CharField, text),
    (models.TextField, text),
)
