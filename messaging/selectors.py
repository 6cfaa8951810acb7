"""Reading messages: one, or a page of a list by cursor; never a COUNT.

What a message shows while it is under way is derived from its parts, so that no row is written for each step.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from common.clock import utc_now
from common.errors import Code, Rejected
from common.ids import derive, floor_at, moment
from messaging import status
from messaging.commands import QUEUED_PREFIX
from messaging.models import Message, Part, Status

PAGE, LARGEST_PAGE = 50, 500
RECENT = timedelta(days=27)  # less than the shortest month, so it lies in two at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list may be narrowed to; `status` is one of ours or a word for customers (DELIVRD …), times are aware."""

    to: str = ""
    sender: str = ""
    status: str = ""
    client_ref: str = ""
    tag: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message and what it shows now."""

    message: Message
    status: str
    done_parts: int

    @property
    def told(self) -> str:
        """The word for customers."""
        return status.told(self.status)


@dataclass(frozen=True, slots=True)
class Page:
    """Messages from the newest; `cursor` begins the next page, None at the end."""

    items: list[Seen]
    cursor: UUID | None


def parse_public_id(text: str) -> UUID:
    """The message id in what a customer holds, with or without `queued_`; raises Rejected NOT_FOUND otherwise."""
    try:
        return UUID(text.strip().removeprefix(QUEUED_PREFIX))
    except ValueError:
        raise Rejected(Code.NOT_FOUND, "There is no such message.") from None


def get(*, account_id: int | None, message_id: UUID) -> Seen:
    """One message of the account (None: of any, for staff); raises Rejected NOT_FOUND."""
    message = _scoped(account_id).filter(id=message_id).first()
    if message is None:
        raise Rejected(Code.NOT_FOUND, "There is no such message.")
    return seen([message])[0]


def page(
    *,
    account_id: int | None,
    filters: Filters | None = None,
    cursor: UUID | None = None,
    limit: int = PAGE,
) -> Page:
    """At most `limit` (≤ 500) messages before `cursor`, the newest first."""
    size = max(1, min(limit, LARGEST_PAGE))
    rows = _narrowed(_scoped(account_id), filters or Filters())
    if cursor is not None:
        rows = rows.filter(id__lt=cursor)
    found = _newest(rows, size + 1, before=_end(cursor, filters))
    following = found[size - 1].id if len(found) > size else None
    return Page(seen(found[:size]), following)


def _end(cursor: UUID | None, filters: Filters | None) -> datetime:
    """No message that is asked for is younger."""
    end = utc_now() + timedelta(hours=1)  # of the clock of another host
    if filters is not None and filters.created_to is not None:
        end = min(end, filters.created_to)
    return min(end, moment(cursor)) if cursor is not None else end


def _newest(rows: QuerySet[Message], count: int, *, before: datetime) -> list[Message]:
    """The newest rows, from the last weeks alone where these have enough: one or two partitions.

    Because of DEFAULT, PostgreSQL does not read month after month by itself until it has enough, but asks each.
    """
    low, high = floor_at(before - RECENT), floor_at(before + timedelta(milliseconds=1))
    ordered = rows.order_by("-id")
    found = list(ordered.filter(id__gte=low, id__lt=high)[:count])
    return found if len(found) == count else found + list(ordered.filter(id__lt=low)[: count - len(found)])


def _scoped(account_id: int | None) -> QuerySet[Message]:
    return Message.objects.all() if account_id is None else Message.objects.filter(account_id=account_id)


def _narrowed(rows: QuerySet[Message], filters: Filters) -> QuerySet[Message]:
    if filters.to:
        rows = rows.filter(recipient=filters.to.lstrip("+"))
    if filters.sender:
        rows = rows.filter(sender=filters.sender)
    if filters.client_ref:
        rows = rows.filter(client_ref=filters.client_ref)
    if filters.created_from is not None:
        rows = rows.filter(id__gte=floor_at(filters.created_from))
    if filters.created_to is not None:
        rows = rows.filter(id__lt=floor_at(filters.created_to))
    if filters.tag:
        rows = rows.annotate(tag_text=Cast("tags", TextField())).filter(tag_text__contains=json.dumps(filters.tag))
    return with_status(rows, filters.status) if filters.status else rows


def with_status(rows: QuerySet[Message], wanted: str) -> QuerySet[Message]:
    """Final ones by the message's own column; under way, some part stands there and the message has not ended."""
    meant = _meanings(wanted)
    over = Q(status__in=[state for state in meant if state in status.FINAL])
    moving = [state for state in meant if state in status.OPEN]
    if not moving:
        return rows.filter(over)
    there = Exists(Part.objects.filter(message_id=OuterRef("id"), id__gte=OuterRef("id"), status__in=moving))
    return rows.filter(over | (Q(status__in=status.OPEN) & there))


def _meanings(word: str) -> list[Status]:
    upper = word.upper()
    if upper in Status.values:
        return [Status(upper)]
    found = [state for state in Status if status.told(state) == upper]
    if not found:
        raise Rejected(Code.INVALID_VALUE, "This is not a status.", {"status": "unknown"})
    return found


def seen(messages: Sequence[Message]) -> list[Seen]:
    """What each shows now: while one is under way that is told by its parts, one query for all of them."""
    states = _part_states(message for message in messages if message.status in status.OPEN)
    return [_show(message, states.get(message.id, ())) for message in messages]


def _show(message: Message, parts: Sequence[str]) -> Seen:
    if not parts:
        final = message.status in status.FINAL
        return Seen(message, message.status, message.parts if final else 0)
    done = sum(part in status.FINAL for part in parts)
    return Seen(message, status.roll_up(parts), done)


def _part_states(messages: Iterable[Message]) -> dict[UUID, list[str]]:
    """One query for a page, by part ids, so that partitions are pruned."""
    keys = [derive(message.id, seq) for message in messages for seq in range(1, message.parts + 1)]
    found: dict[UUID, list[str]] = defaultdict(list)
    if keys:
        for message_id, state in Part.objects.filter(id__in=keys).values_list("message_id", "status"):
            found[message_id].append(state)
    return found
