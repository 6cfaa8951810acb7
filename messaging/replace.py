"""Replacing a message before any part of it has left the line (SMPP 3.4 §4.10): all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from common.clock import utc_now
from common.errors import Code, Rejected
from common.gsm import Encoding
from common.ids import derive
from common.transactions import retried
from messaging import rows
from messaging.models import Message, Part, Status
from messaging.segments import count_segments

_BEFORE = frozenset({Status.SCHEDULED, Status.QUEUED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What takes the place of what was; None: it stays. `content` is hex when the message is binary.

    `registered` are bits of registered_delivery.
    """

    content: str | None = None
    encoding: Encoding | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    registered: int | None = None


@retried()
def replace(*, account_id: int, smpp_client_id: int, message_ids: Sequence[UUID], by: Replacement) -> None:
    """Replace messages of a client that wait: all of them or none.

    Raises Rejected NOT_FOUND for what is not the client's, NOT_CANCELLABLE once a part was handed to a carrier, or
    when the new text has another number of parts (it was paid); then nothing has changed.
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
    Message.objects.filter(id=message.id).update(**_message_changes(message, by))
    changes = _part_changes(by, {part.status for part in parts})
    if changes:
        Part.objects.filter(id__in=[part.id for part in parts]).update(**changes)


def _message_changes(message: Message, by: Replacement) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": message.status}
    if by.content is not None:
        encoding = by.encoding or Encoding(message.encoding)
        header = bytes.fromhex(message.udh)
        if count_segments(by.content, encoding, header) != message.parts:
            raise Rejected(Code.NOT_CANCELLABLE, "The new text has another number of parts.")
        changes |= {"content": by.content, "encoding": encoding.value}
    if by.send_at is not None:
        changes["send_at"] = by.send_at
    if by.expires_at is not None:
        changes["expires_at"] = by.expires_at
    if by.registered is not None:
        changes |= {"dlr": bool(by.registered), "esme": {**(message.esme or {}), "reg": by.registered}}
    return changes


def _part_changes(by: Replacement, statuses: set[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if by.send_at is not None and by.send_at > utc_now():
        if statuses != {Status.SCHEDULED}:
            raise Rejected(Code.NOT_CANCELLABLE, "The message waits for its turn, not for a date.")
        changes["send_at"] = by.send_at
    if by.expires_at is not None:
        changes["expires_at"] = by.expires_at
    return changes
