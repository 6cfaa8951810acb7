"""Rows of parts and messages, read and locked in the one order that cannot deadlock.

Lock order: messages of several parts in id order, then parts in id order, then everything else, wallets last
(architecture section 3). A message of one part is guarded by the lock of that part.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from common.ids import new_id
from common.sql import dialect
from messaging.commands import public_id
from messaging.models import Message, MessageEvent, Part


@dataclass(slots=True)
class PartRow:
    """A part as it stands under our lock; the fields follow the moves made in this transaction."""

    id: UUID
    message_id: UUID
    seq: int
    connector_id: int
    lane: str
    status: str
    attempts: int
    hop: int
    bind_no: int | None
    fence: int | None
    claimed_at: datetime | None
    expires_at: datetime | None
    submitted_at: datetime | None
    done_at: datetime | None
    provider_id: str
    provider_key: str
    error_code: str
    possible_duplicate: bool


@dataclass(frozen=True, slots=True)
class MessageRow:
    """What the end of a message needs to know of it."""

    id: UUID
    account_id: int
    api_client_id: int | None
    smpp_client_id: int | None
    sender: str
    recipient: str
    recipient_given: str
    parts: int
    lane: str
    status: str
    over_limit: bool
    dlr: bool
    dlr_url: str
    route: dict[str, Any] | None
    connector_id: int | None
    unit_price: Decimal
    price: Decimal
    charge: UUID | None
    created_at: datetime
    done_at: datetime | None

    @property
    def public_id(self) -> str:
        """The id that the customer was given; for ever, also when it was `queued_…`."""
        return public_id(self.id, over_limit=self.over_limit)

    @property
    def hops(self) -> list[int]:
        """Connector ids in the order in which routing proposed them."""
        return list((self.route or {}).get("hops", []))


_PART_FIELDS = tuple(PartRow.__dataclass_fields__)
_MESSAGE_FIELDS = tuple(MessageRow.__dataclass_fields__)


def read_parts(part_ids: Collection[UUID]) -> dict[UUID, PartRow]:
    """Parts without a lock."""
    found = Part.objects.filter(id__in=part_ids).values_list(*_PART_FIELDS)
    return {row[0]: PartRow(*row) for row in found}


def lock_parts(part_ids: Collection[UUID], *, skip_locked: bool = False) -> dict[UUID, PartRow]:
    """Parts, locked in id order; lock their messages first where a message of several parts may end."""
    ordered = Part.objects.filter(id__in=part_ids).order_by("id")
    found = ordered.select_for_update(skip_locked=skip_locked and _can_skip()).values_list(*_PART_FIELDS)
    return {row[0]: PartRow(*row) for row in found}


def lock_messages(message_ids: Collection[UUID], *, skip_locked: bool = False) -> set[UUID]:
    """Lock those messages that have several parts, in id order; returns those that somebody else holds."""
    several = Message.objects.filter(id__in=message_ids, parts__gt=1).order_by("id")
    held = several.select_for_update(skip_locked=skip_locked and _can_skip()).values_list("id", flat=True)
    if not skip_locked:
        list(held)
        return set()
    return set(several.values_list("id", flat=True)) - set(held)


def read_messages(message_ids: Collection[UUID]) -> dict[UUID, MessageRow]:
    """Messages; true for as long as the locks on their parts (or on themselves) are held."""
    found = Message.objects.filter(id__in=message_ids).values_list(*_MESSAGE_FIELDS)
    return {row[0]: MessageRow(*row) for row in found}


def lock(
    part_ids: Collection[UUID], *, skip_locked: bool = False
) -> tuple[dict[UUID, PartRow], dict[UUID, MessageRow]]:
    """Parts and their messages with every lock that ending them needs.

    With `skip_locked` those that somebody else is working on are left out: what a sweep wants.
    """
    if not part_ids:
        return {}, {}
    owners = dict(Part.objects.filter(id__in=part_ids).values_list("id", "message_id"))
    busy = lock_messages(set(owners.values()), skip_locked=skip_locked)
    free = [part_id for part_id, owner in owners.items() if owner not in busy]
    parts = lock_parts(free, skip_locked=skip_locked)
    return parts, read_messages({part.message_id for part in parts.values()})


def _can_skip() -> bool:
    return connection.features.has_select_for_update_skip_locked


def database_now() -> datetime:
    """The moment by the database's clock: schedules, validity and leases of all hosts go by it."""
    sql = dialect()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql.now}", [])
        row = cursor.fetchone()
    found = sql.moment(row[0]) if row else None
    assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the other rows cannot tell."""

    message_id: UUID
    part_id: UUID | None
    kind: str
    data: dict[str, Any]


def keep_events(events: Iterable[Event], *, at: datetime) -> None:
    """Write events in one batch."""
    columns = ("id", "message_id", "part_id", "at", "kind", "data")
    rows = [(new_id(), event.message_id, event.part_id, at, event.kind, json.dumps(event.data)) for event in events]
    with connection.cursor() as cursor:
        dialect().insert(cursor, MessageEvent._meta.db_table, columns, rows)
