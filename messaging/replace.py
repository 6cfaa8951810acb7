"""Replacing a message before any part of it has left the line (SMPP 3.4 §4.10): all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from common.clock import utc_now
from common.errors import Code, Rejected
from common.gsm import Encoding, UnencodableText
from common.ids import derive
from common.transactions import retried
from messaging import rows
from messaging.esme import unpacked, with_end
from messaging.models import Message, Part, Status
from messaging.preparation import LONGEST_VALIDITY
from messaging.segments import count_segments

_BEFORE = frozenset({Status.SCHEDULED, Status.QUEUED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What takes the place of what was; None: it stays. `content` is hex when the message is binary.

    `validity` counts from the sending, `expires_at` is the same end by the clock. `registered` are bits of
    registered_delivery.
    """

    content: str | None = None
    encoding: Encoding | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    validity: timedelta | None = None
    registered: int | None = None


@retried()
def replace(*, account_id: int, smpp_client_id: int, message_ids: Sequence[UUID], by: Replacement) -> None:
    """Replace messages of a client that wait: all of them or none.

    Raises Rejected NOT_FOUND for what is not the client's, NOT_CANCELLABLE once a part was handed to a carrier, or
    when the new text has another number of parts (it was paid) or the new date cannot be, INVALID_VALUE (validity)
    when it would end before it is sent, INVALID_ENCODING for a text that its encoding does not have; then nothing
    has changed.
    """
    with transaction.atomic():
        owned = Message.objects.filter(id__in=message_ids, account_id=account_id, smpp_client_id=smpp_client_id)
        sizes = dict(owned.values_list("id", "parts"))
        if len(sizes) < len(message_ids):
            raise Rejected(Code.NOT_FOUND, "There is no such message.")
        parts, _ = rows.lock([derive(key, seq) for key, size in sizes.items() for seq in range(1, size + 1)])
        if not parts or any(part.status not in _BEFORE or part.possible_duplicate for part in parts.values()):
            raise Rejected(Code.NOT_CANCELLABLE, "The message is on its way or has ended.")
        for message in owned:  # as they are now that nobody else can change them
            _replace_one(message, [part for part in parts.values() if part.message_id == message.id], by)


def _replace_one(message: Message, parts: Sequence[rows.PartRow], by: Replacement) -> None:
    now = utc_now()
    send_at = _send_at(message, parts, by, now)
    expires_at = _expires_at(message, by, send_at, max(send_at or now, now))
    dates: dict[str, Any] = {}
    if send_at != message.send_at:
        dates["send_at"] = send_at
    if expires_at != message.expires_at:
        dates["expires_at"] = expires_at
    if dates:
        Part.objects.filter(id__in=[part.id for part in parts]).update(**dates)
    changes = {**dates, **_text(message, by), **_notes(message, by)}
    if changes:
        Message.objects.filter(id=message.id).update(**changes)


def _send_at(message: Message, parts: Sequence[rows.PartRow], by: Replacement, now: datetime) -> datetime | None:
    """The message's date after this. To what waits for its turn or for another try, "now" changes nothing."""
    if by.send_at is None:
        return message.send_at
    if any(part.status != Status.SCHEDULED or part.attempts for part in parts):
        if by.send_at > now:
            raise Rejected(Code.NOT_CANCELLABLE, "The message waits for its turn, not for a date.")
        return message.send_at
    if message.over_limit and message.send_at and by.send_at < message.send_at:
        raise Rejected(Code.NOT_CANCELLABLE, "A limit put the message off: it cannot go earlier.")
    return by.send_at


def _expires_at(message: Message, by: Replacement, send_at: datetime | None, begins: datetime) -> datetime | None:
    """The message's end after this: a validity keeps its length when the date moves, unless it ends by the clock."""
    ends = begins + by.validity if by.validity is not None else by.expires_at
    if ends is None and message.expires_at and message.send_at and send_at != message.send_at:
        ends = message.expires_at
        if not unpacked(message.esme).ends_by_clock:
            ends += begins - message.send_at
    if ends is None:
        return message.expires_at
    if ends <= begins:
        raise Rejected(Code.INVALID_VALUE, "The validity ends before the sending.", {"validity": "too short"})
    return min(ends, begins + timedelta(seconds=LONGEST_VALIDITY))


def _text(message: Message, by: Replacement) -> dict[str, Any]:
    if by.content is None:
        return {}
    encoding = by.encoding or Encoding(message.encoding)
    try:
        parts = count_segments(by.content, encoding, bytes.fromhex(message.udh))
    except UnencodableText as error:
        raise Rejected(Code.INVALID_ENCODING, "The new text cannot be written in this encoding.") from error
    if parts != message.parts:
        raise Rejected(Code.NOT_CANCELLABLE, "The new text has another number of parts.")
    return {"content": by.content, "encoding": encoding.value}


def _notes(message: Message, by: Replacement) -> dict[str, Any]:
    notes = dict(message.esme or {})
    if by.registered is not None:
        notes["reg"] = by.registered
    if by.expires_at is not None or by.validity is not None:
        notes = with_end(notes, by_clock=by.expires_at is not None)
    dlr = message.dlr if by.registered is None else bool(by.registered)
    return {"dlr": dlr, "esme": notes} if notes != message.esme else {}
