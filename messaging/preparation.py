"""From a command to a message that could be written: checked, encoded, routed, priced. No database here."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from secrets import randbelow
from threading import Lock
from typing import Final
from uuid import UUID

from billing.pricing import unit_price
from common import phone
from common.errors import Code, Rejected
from common.gsm import Encoding, UnencodableText, culprits, data_coding, detect, units
from common.ids import new_id
from common.queues import Lane
from connectors.snapshot import connectors
from messaging import fields
from messaging.commands import SubmitCommand
from messaging.segments import count_segments
from routing.engine import Decision, Question, decide
from routing.snapshot import routing_table

LONGEST_VALIDITY: Final = 7 * 86_400  # seconds; longer, and the networks drop the text first
FURTHEST: Final = timedelta(days=30)
_LANES: Final = frozenset(lane.value for lane in Lane)
_REFERENCES: Final = 10_000  # recipients whose next reference is remembered


@dataclass(frozen=True, slots=True)
class Body:
    """The content as it is stored: text, or hex when the encoding is binary; `udh` is hex."""

    content: str
    encoding: Encoding
    udh: str
    parts: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that may be accepted. `validity` in seconds from the sending on, None: until the carrier drops it."""

    command: SubmitCommand
    message_id: UUID
    recipient: str
    recipient_given: str
    body: Body
    reference: int | None
    lane: str
    send_at: datetime | None
    validity: int | None
    decision: Decision
    unit_price: Decimal
    price: Decimal


def prepare(command: SubmitCommand, now: datetime) -> Prepared:
    """Validate, encode, route and price one command; raises Rejected. Draws the message's id."""
    if not command.account.active:  # campaigns and automatic answers come without a login
        raise Rejected(Code.SUSPENDED, "The account is suspended")
    fields.check(command)
    recipient = _recipient(command.to)
    decision = decide(routing_table(), _question(command, recipient))
    body = _body(command)
    price = unit_price(command.account.billing_mode, decision.rate)
    return Prepared(
        command=command,
        message_id=command.message_id or new_id(),
        recipient=recipient,
        recipient_given=command.to if command.to != recipient else "",
        body=body,
        reference=next_reference(recipient) if body.parts > 1 else None,
        lane=_lane(command),
        send_at=_send_at(command.send_at, now),
        validity=_validity(command.validity, decision),
        decision=decision,
        unit_price=price,
        price=price * body.parts,
    )


def _recipient(given: str) -> str:
    try:
        return phone.normalise(given)
    except phone.InvalidNumber as error:
        raise Rejected(Code.INVALID_NUMBER, "Invalid destination number", {"to": error.reason}) from error


def _sender(given: str | None) -> str | None:
    """The sender in its stored spelling; blank means: the default."""
    if not given or not given.strip():
        return None
    try:
        return phone.check_sender(given)
    except phone.InvalidSender as error:
        raise Rejected(Code.INVALID_SENDER, "Invalid sender", {"from": error.reason}) from error


def _question(command: SubmitCommand, recipient: str) -> Question:
    api, smpp, account = command.api_client, command.smpp_client, command.account
    client = api or smpp
    return Question(
        account_id=account.id,
        api_client_id=api.id if api else None,
        smpp_client_id=smpp.id if smpp else None,
        recipient=recipient,
        sender=_sender(command.sender),
        sender_policy=account.sender_policy,
        account_default_sender=account.default_sender,
        client_default_sender=client.default_sender if client else "",
    )


def _body(command: SubmitCommand) -> Body:
    content, encoding = _encoded(command)
    _check_flash(command.flash, encoding)
    parts = count_segments(content, encoding, command.udh)
    _check_parts(parts, command)
    return Body(content, encoding, command.udh.hex(), parts)


def _encoded(command: SubmitCommand) -> tuple[str, Encoding]:
    if command.binary is not None:
        return command.binary.hex(), Encoding.BINARY
    text, encoding = command.content, command.coding
    if not text and not command.udh:
        raise Rejected(Code.MISSING_FIELD, "to and content required", {"content": "required"})
    if encoding is None:
        return text, detect(text)
    if encoding is Encoding.BINARY:
        raise Rejected(Code.INVALID_ENCODING, "Binary content must be given as octets", {"coding": "binary"})
    _check_encodable(text, encoding)
    return text, encoding


def _check_encodable(text: str, encoding: Encoding) -> None:
    try:
        units(text, encoding)
    except UnencodableText as error:
        position, character = error.position, error.character
        if encoding is Encoding.GSM7:
            position, character = culprits(text)[0]
        name = f"U+{ord(character):04X}"
        message = f"{name} at position {position} cannot be written in {encoding.upper()}"
        raise Rejected(Code.INVALID_ENCODING, message, {"content": name}) from error


def _check_flash(flash: bool, encoding: Encoding) -> None:
    if not flash:
        return
    try:
        data_coding(encoding, flash=True)
    except ValueError as error:
        raise Rejected(Code.INVALID_VALUE, f"{encoding} cannot be sent as flash", {"flash": "not possible"}) from error


def _check_parts(parts: int, command: SubmitCommand) -> None:
    limit = command.account.max_parts
    if command.max_parts is not None:
        limit = min(limit, command.max_parts)
    if parts > limit:
        raise Rejected(
            Code.TOO_MANY_PARTS, f"The message needs {parts} parts; at most {limit} allowed", {"content": "too long"}
        )


def _lane(command: SubmitCommand) -> str:
    client = command.api_client or command.smpp_client
    wanted = command.traffic_class or (client.traffic_class if client else Lane.TRANSACTIONAL)
    if wanted not in _LANES:
        raise Rejected(Code.INVALID_VALUE, "Unknown traffic class", {"traffic_class": "otp, transactional or bulk"})
    if wanted == Lane.OTP and not (client and client.otp_allowed):
        raise Rejected(Code.FORBIDDEN, "Traffic class otp is not allowed", {"traffic_class": "not allowed"})
    return str(wanted)


def _send_at(wanted: datetime | None, now: datetime) -> datetime | None:
    """None means now: a moment that has passed is no refusal, clocks differ."""
    if wanted is None:
        return None
    if wanted.tzinfo is None:
        raise Rejected(Code.INVALID_VALUE, "send_at needs a time zone", {"send_at": "no time zone"})
    if wanted > now + FURTHEST:
        raise Rejected(Code.INVALID_VALUE, "send_at is too far ahead", {"send_at": "at most 30 days ahead"})
    return wanted if wanted > now else None


def _validity(wanted: int | None, decision: Decision) -> int | None:
    """Seconds; the connector's default where the request names none (0: the carrier's own, unknown to us)."""
    if wanted is None:
        line = connectors().by_id.get(decision.hops[0])
        return min(line.default_validity, LONGEST_VALIDITY) or None if line else None
    if not 0 < wanted <= LONGEST_VALIDITY:
        raise Rejected(Code.INVALID_VALUE, "Invalid validity", {"validity": f"1 to {LONGEST_VALIDITY} seconds"})
    return wanted


class References:
    """The reference of the next long message to a number: handsets join parts by it, so neighbours must differ."""

    def __init__(self, capacity: int = _REFERENCES) -> None:
        self._capacity, self._lock = capacity, Lock()
        self._last: OrderedDict[str, int] = OrderedDict()

    def next(self, recipient: str) -> int:
        """1 … 65535; starts anywhere and counts up for each recipient."""
        with self._lock:
            last = self._last.pop(recipient, None)
            chosen = randbelow(0xFFFF) + 1 if last is None else last % 0xFFFF + 1
            self._last[recipient] = chosen
            if len(self._last) > self._capacity:
                self._last.popitem(last=False)
            return chosen


# One a process: every thread that accepts messages counts on the same numbers.
next_reference = References().next
