"""Rows of parts and messages, read and locked in the one order that cannot deadlock.

Lock order: messages of several parts in id order, then parts in id order, then everything else, wallets last
(architecture section 3). A message of one part is guarded by the lock of that part.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from common.ids import derive, floor_at, moment, new_id
from common.money import from_units
from common.sql import Dialect, Row, SQLite, dialect, hot
from messaging.commands import public_id
from messaging.models import Message, MessageEvent, Part, Status
from messaging.status import RECEIPT_FINALS

_PARTS, _MESSAGES = Part._meta.db_table, Message._meta.db_table


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
    matched_by: str


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
# Columns that the two databases hand over in different forms; by place in the row.
_UUIDS = {"id", "message_id", "charge"}
_MOMENTS = {"claimed_at", "expires_at", "submitted_at", "done_at", "created_at"}
_FLAGS = {"possible_duplicate", "over_limit", "dlr"}
_CREDITS = {"unit_price", "price"}
_FORMS: tuple[tuple[set[str], Callable[[Dialect, Any], Any]], ...] = (
    (_UUIDS, lambda sql, value: sql.uuid(value)),
    (_MOMENTS, lambda sql, value: sql.moment(value)),
    (_FLAGS, lambda sql, value: bool(value)),
    (_CREDITS, lambda sql, value: from_units(value)),
    ({"route"}, lambda sql, value: json.loads(value) if isinstance(value, str) else value),
)


_Places = list[tuple[int, Callable[[Dialect, Any], Any]]]


def _places(fields: Sequence[str], forms: Iterable[tuple[set[str], Callable[[Dialect, Any], Any]]]) -> _Places:
    return [(fields.index(name), form) for names, form in forms for name in names if name in fields]


# PostgreSQL's driver hands over ids, moments and flags as they should be.
_UNFORMED = [(names, form) for names, form in _FORMS if names is not _UUIDS and names not in (_MOMENTS, _FLAGS)]
_PLACES: dict[tuple[str, bool], _Places] = {
    (table, everything): _places(fields, _FORMS if everything else _UNFORMED)
    for table, fields in ((_PARTS, _PART_FIELDS), (_MESSAGES, _MESSAGE_FIELDS))
    for everything in (True, False)
}


def _select(
    table: str, fields: Sequence[str], ids: Collection[UUID], rest: str = "", params: Sequence[Any] = ()
) -> list[Row]:
    """Rows by id. By hand: to have Django build these queries anew was a fifth of what recording receipts cost."""
    if not ids:
        return []
    among, values = dialect().keyed("id", ids)
    with hot() as cursor:
        cursor.execute(f"SELECT {', '.join(fields)} FROM {table} WHERE {among} {rest}", [*values, *params])
        return list(cursor.fetchall())


def _formed(table: str, found: Iterable[Row]) -> Iterator[Sequence[Any]]:
    sql = dialect()
    places = _PLACES[table, isinstance(sql, SQLite)]
    for row in found:
        values = list(row)
        for place, form in places:
            if values[place] is not None:
                values[place] = form(sql, values[place])
        yield values


def _part_rows(part_ids: Collection[UUID], rest: str = "", params: Sequence[Any] = ()) -> dict[UUID, PartRow]:
    found = [PartRow(*row) for row in _formed(_PARTS, _select(_PARTS, _PART_FIELDS, part_ids, rest, params))]
    return {part.id: part for part in found}


def read_parts(part_ids: Collection[UUID]) -> dict[UUID, PartRow]:
    """Parts without a lock."""
    return _part_rows(part_ids)


def lock_parts(part_ids: Collection[UUID], *, skip_locked: bool = False) -> dict[UUID, PartRow]:
    """Parts, locked in id order; lock their messages first where a message of several parts may end."""
    return _part_rows(part_ids, f"ORDER BY id {_locking(skip_locked)}")


def lock_messages(message_ids: Collection[UUID], *, skip_locked: bool = False) -> set[UUID]:
    """Lock those messages that have several parts, in id order; returns those that somebody else holds."""
    locked = _several(message_ids, _locking(skip_locked))
    return _several(message_ids).keys() - locked.keys() if skip_locked else set()


def _several(message_ids: Collection[UUID], locking: str = "") -> dict[UUID, int]:
    """Those of the messages that have several parts, in id order, with how many."""
    sql, several = dialect(), "AND parts > 1 ORDER BY id"
    found = _select(_MESSAGES, ["id", "parts"], message_ids, f"{several} {locking}")
    return {sql.uuid(key): parts for key, parts in found}


def read_messages(message_ids: Collection[UUID]) -> dict[UUID, MessageRow]:
    """Messages; true for as long as the locks on their parts (or on themselves) are held."""
    found = [MessageRow(*row) for row in _formed(_MESSAGES, _select(_MESSAGES, _MESSAGE_FIELDS, message_ids))]
    return {message.id: message for message in found}


def lock(
    part_ids: Collection[UUID], *, owners: Mapping[UUID, UUID | None] | None = None, skip_locked: bool = False
) -> tuple[dict[UUID, PartRow], dict[UUID, MessageRow]]:
    """Parts and their messages with every lock that ending them needs.

    With `skip_locked` those that somebody else is working on are left out: what a sweep wants.
    """
    if not part_ids:
        return {}, {}
    owned = _owners(part_ids, owners or {})
    busy = lock_messages(set(owned.values()), skip_locked=skip_locked)
    free = [part_id for part_id, owner in owned.items() if owner not in busy]
    parts = lock_parts(free, skip_locked=skip_locked)
    return parts, read_messages({part.message_id for part in parts.values()})


# Parts that a receipt for another part of their message may settle, and those that speak for others.
_WITH_A_CARRIER = sorted({Status.SUBMITTED, Status.UNKNOWN} | RECEIPT_FINALS)


def lock_with_siblings(
    part_ids: Collection[UUID],
    *,
    owners: Mapping[UUID, UUID | None] | None = None,
    families: Collection[UUID] | None = None,
    skip_locked: bool = False,
) -> tuple[dict[UUID, PartRow], dict[UUID, MessageRow]]:
    """As `lock`, with the other parts of these messages (of those in `families` only, where given).

    Parts that wait or are being written are left out, because a claim passes over what is locked. With `skip_locked`
    a message is left out whole where somebody else is working on one of the parts wanted.
    """
    if not part_ids or (families is not None and not families):
        return lock(part_ids, owners=owners, skip_locked=skip_locked)
    owned, locking = _owners(part_ids, owners or {}), _locking(skip_locked)
    sizes = _several(set(owned.values()), locking)
    if skip_locked:
        busy = _several(set(owned.values())).keys() - sizes.keys()
        owned = {part_id: owner for part_id, owner in owned.items() if owner not in busy}
    shared = sizes.keys() if families is None else sizes.keys() & families
    wanted = {*owned, *(derive(message_id, seq) for message_id in shared for seq in range(1, sizes[message_id] + 1))}
    named, ids = dialect().any_of("id", owned)
    marks = ", ".join(["%s"] * len(_WITH_A_CARRIER))
    only, params = f"AND ({named} OR status IN ({marks}))", [*ids, *map(str, _WITH_A_CARRIER)]
    parts = _part_rows(wanted, f"{only} ORDER BY id {locking}", params)
    if skip_locked:
        held = {part.message_id for key, part in _part_rows(wanted, only, params).items() if key not in parts}
        parts = {key: part for key, part in parts.items() if part.message_id not in held}
    return parts, read_messages({part.message_id for part in parts.values()})


def owners(part_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, int]]:
    """The message of each of these parts, at least one, and how many parts that has (0 when it is gone); without a
    lock, as neither ever changes."""
    sql = dialect()
    # A part has the millisecond of its message: the range leaves out the other months.
    near = [floor_at(moment(min(part_ids))), floor_at(moment(max(part_ids)) + timedelta(seconds=1))]
    within, ends = sql.between("m.id", near)
    among, ids = sql.keyed("p.id", part_ids)
    with hot() as cursor:
        cursor.execute(
            "SELECT p.id, p.message_id, "
            f"coalesce((SELECT m.parts FROM {_MESSAGES} AS m WHERE m.id = p.message_id AND {within}), 0) "
            f"FROM {_PARTS} AS p WHERE {among}",
            [*ends, *ids],
        )
        return {sql.uuid(part_id): (sql.uuid(owner), size) for part_id, owner, size in cursor.fetchall()}


def _owners(part_ids: Collection[UUID], known: Mapping[UUID, UUID | None]) -> dict[UUID, UUID]:
    found = {part_id: owner for part_id in part_ids if (owner := known.get(part_id)) is not None}
    if len(found) == len(part_ids):
        return found
    sql = dialect()
    return {sql.uuid(a): sql.uuid(b) for a, b in _select(_PARTS, ["id", "message_id"], part_ids)}


def _locking(skip_locked: bool) -> str:
    sql = dialect()
    return sql.skip_locked if skip_locked else sql.for_update


def database_now() -> datetime:
    """The moment by the database's clock: schedules, validity and leases of all hosts go by it."""
    sql = dialect()
    with hot() as cursor:
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
