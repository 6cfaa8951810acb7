"""The fields of a command that need no other knowledge to be judged: sizes, characters, addresses of callbacks."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from django.conf import settings

from common.errors import Code, Rejected
from common.gsm import CONCAT_8, CONCAT_16, read_concat, read_udh
from common.http import OutboundError, check_url, parse_networks
from messaging import tlv_names
from messaging.commands import SubmitCommand
from smpp.constants import Tag

LONGEST_REFERENCE: Final = 100
MOST_TAGS: Final = 10
LONGEST_TAG: Final = 50
LONGEST_URL: Final = 500
LONGEST_GIVEN: Final = 40  # characters of the recipient as the caller wrote it
LONGEST_HEADER: Final = 140  # octets of a user data header
MOST_OCTETS: Final = 255 * 140  # of binary content: what 255 parts could carry
LONGEST_TEXT: Final = 255 * 160
MOST_TLVS: Final = 20
LONGEST_TLV_NAME: Final = 40
LONGEST_TLV: Final = 500
LARGEST_TLV: Final = 2**63 - 1
LARGEST_TAG: Final = 0xFFFF
# Written by the gateway itself: a second text or count beside the one that was judged and charged.
OUR_TAGS: Final = frozenset(
    {
        Tag.MESSAGE_PAYLOAD,
        Tag.SAR_MSG_REF_NUM,
        Tag.SAR_TOTAL_SEGMENTS,
        Tag.SAR_SEGMENT_SEQNUM,
        Tag.MORE_MESSAGES_TO_SEND,
    }
)


def check(command: SubmitCommand) -> None:
    """Raises Rejected for the first field that cannot be stored or sent."""
    if not command.to:
        raise Rejected(Code.MISSING_FIELD, "to and content required", {"to": "required"})
    for name, text in _texts(command):
        if not is_clean(text):
            raise _invalid(name, "U+0000 and lone surrogates are not allowed")
    _check_sizes(command)
    if command.udh:
        _check_header(command.udh)
    if command.tags is not None:
        _check_tags(command)
    if command.tlvs is not None:
        _check_tlvs(command.tlvs)
    if command.dlr_url:
        check_callback_url(command.dlr_url, "dlr_url")


def is_clean(text: str) -> bool:
    """Whether databases and carriers can write the text: no U+0000, no lone surrogate."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_callback_url(url: str, name: str) -> None:
    """Raises Rejected(INVALID_URL) unless the URL may be called; the host is not resolved here."""
    if len(url) > LONGEST_URL:
        raise Rejected(Code.INVALID_URL, "The URL is too long", {name: f"at most {LONGEST_URL} characters"})
    reason = _refusal(url, tuple(settings.OUTBOUND_HTTP_ALLOW))
    if reason:
        raise Rejected(Code.INVALID_URL, "The URL cannot be called", {name: reason})


@lru_cache(maxsize=1_000)  # customers name the same few URLs with every message
def _refusal(url: str, allowed: tuple[str, ...]) -> str:
    try:
        check_url(url, parse_networks(allowed))
    except OutboundError as error:
        return str(error)
    return ""


def _texts(command: SubmitCommand) -> Iterator[tuple[str, str]]:
    yield "content", command.content
    yield "to", command.to
    if command.sender:
        yield "from", command.sender
    if command.client_ref:
        yield "client_ref", command.client_ref


def _check_sizes(command: SubmitCommand) -> None:
    sizes = (
        ("content", len(command.content), LONGEST_TEXT),
        ("content", len(command.binary or b""), MOST_OCTETS),
        ("udh", len(command.udh), LONGEST_HEADER),
        ("client_ref", len(command.client_ref), LONGEST_REFERENCE),
    )
    for name, size, limit in sizes:
        if size > limit:
            raise Rejected(
                Code.TOO_MANY_PARTS if name == "content" else Code.INVALID_VALUE,
                f"{name} is too long",
                {name: f"at most {limit}"},
            )
    if len(command.to) > LONGEST_GIVEN:
        raise Rejected(Code.INVALID_NUMBER, "Invalid destination number", {"to": "too_long"})
    if command.max_parts is not None and command.max_parts < 1:
        raise _invalid("max_parts", "at least 1")


def _check_header(udh: bytes) -> None:
    """Its length octet counts what follows, and elements fill it; a handset shows anything else as noise.

    A part that cannot be one (0, or 5 of 2) is refused as well: handsets ignore such an element (TS 23.040
    §9.2.3.24.1) and show a piece of a text as if it were all of it, which was paid.
    """
    elements, rest = read_udh(udh)
    if rest or not elements:
        raise _invalid("udh", "a length octet and the elements that fill it")
    for identifier, value in elements:
        if identifier in (CONCAT_8, CONCAT_16) and read_concat([(identifier, value)]) is None:
            raise _invalid("udh", f"{value.hex()} is no reference with a part from 1 to the total")


def _check_tags(command: SubmitCommand) -> None:
    tags = command.tags or ()
    if len(tags) > MOST_TAGS:
        raise _invalid("tags", f"at most {MOST_TAGS}")
    for tag in tags:
        if not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG or not is_clean(tag):
            raise _invalid("tags", f"texts of 1 to {LONGEST_TAG} characters")


def _check_tlvs(tlvs: Mapping[str, str | int]) -> None:
    if len(tlvs) > MOST_TLVS:
        raise _invalid("tlvs", f"at most {MOST_TLVS}")
    for name, value in tlvs.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_TLV_NAME or not is_clean(name):
            raise _invalid("tlvs", f"names of 1 to {LONGEST_TLV_NAME} characters")
        if not _may_be_set(name):
            raise _invalid("tlvs", f"{name}: a name that the carrier's dictionary has, or a tag that we do not write")
        if not _is_tlv_value(value) or not _is_hex_if_octets(name, value):
            raise _invalid("tlvs", f"{name}: a text of at most {LONGEST_TLV} characters or a whole number")


def _may_be_set(name: str) -> bool:
    """Names are looked up in the dictionary of the line that takes the message; numbers are tags."""
    tag = tlv_names.tag_of(name)
    if tag is None:
        return True
    return 0 < tag <= LARGEST_TAG and tag not in OUR_TAGS


def _is_hex_if_octets(name: str, value: str | int) -> bool:
    if not tlv_names.is_octets(name):
        return True
    try:
        tlv_names.octets(name, value)
    except ValueError:
        return False
    return True


def _is_tlv_value(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TLV and is_clean(value)
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_TLV


def _invalid(name: str, reason: str) -> Rejected:
    return Rejected(Code.INVALID_VALUE, f"Invalid {name}", {name: reason})
