"""The rows of accepted messages, written by the batch."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from common.ids import derive
from common.money import to_units
from common.sql import Cursor, dialect
from common.transactions import UNWRITABLE
from messaging import traffic
from messaging.admission import Admitted
from messaging.commands import Accepted, public_id
from messaging.models import Message, Part, Status

_MESSAGE: Final = (
    "id",
    "account_id",
    "api_client_id",
    "smpp_client_id",
    "source",
    "channel",
    "sender",
    "recipient",
    "recipient_given",
    "content",
    "encoding",
    "flash",
    "udh",
    "reference",
    "parts",
    "lane",
    "status",
    "over_limit",
    "client_ref",
    "tags",
    "tlvs",
    "esme",
    "dlr",
    "dlr_url",
    "send_at",
    "expires_at",
    "route",
    "connector_id",
    "rate",
    "cost",
    "unit_price",
    "price",
    "charge",
    "error_code",
    "error",
    "possible_duplicate",
    "created_at",
)
_PART: Final = (
    "id",
    "message_id",
    "seq",
    "connector_id",
    "lane",
    "status",
    "attempts",
    "hop",
    "send_at",
    "expires_at",
    "provider_id",
    "provider_key",
    "error_code",
    "possible_duplicate",
    "matched_by",
)
_MESSAGES, _PARTS = Message._meta.db_table, Part._meta.db_table


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that will be written; `charge` is the ledger entry that pays for it."""

    admitted: Admitted
    charge: UUID | None = None

    @property
    def status(self) -> Status:
        """SCHEDULED when it may not go yet."""
        return Status.SCHEDULED if self.admitted.send_at else Status.QUEUED

    @property
    def connector_id(self) -> int:
        """The first connector on the way."""
        return self.admitted.message.decision.hops[0]

    def accepted(self) -> Accepted:
        """What its caller hears."""
        message = self.admitted.message
        return Accepted(
            message_id=message.message_id,
            public_id=public_id(message.message_id, over_limit=self.admitted.over_limit),
            parts=message.body.parts,
            price=message.price,
            status=str(self.status),
            queued=self.admitted.over_limit,
        )

    def queued_parts(self) -> Iterable[tuple[int, str, UUID]]:
        """Connector, lane and id of each part that may go now."""
        message = self.admitted.message
        if self.admitted.send_at is None:
            for seq in range(1, message.body.parts + 1):
                yield self.connector_id, message.lane, derive(message.message_id, seq)


def insert(cursor: Cursor, entries: Sequence[Entry], now: datetime) -> None:
    """Write messages, parts and the count of accepted traffic."""
    messages: list[tuple[Any, ...]] = []
    parts: list[tuple[Any, ...]] = []
    for entry in entries:
        message, its_parts = _rows(entry, now)
        messages.append(message)
        parts += its_parts
    dialect().insert(cursor, _MESSAGES, _MESSAGE, messages)
    dialect().insert(cursor, _PARTS, _PART, parts)
    traffic.add(_tallies(entries, now))


def can_be_written(entries: Sequence[Entry], now: datetime) -> bool:
    """Whether the database takes these rows; nothing is left of the trial."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            insert(cursor, entries, now)
            transaction.set_rollback(True)
    except UNWRITABLE:
        return False
    return True


def _rows(entry: Entry, now: datetime) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    message, send_at, status = entry.admitted.message, entry.admitted.send_at, str(entry.status)
    expires_at = (send_at or now) + timedelta(seconds=message.validity) if message.validity else None
    connector = entry.connector_id
    rest = (connector, message.lane, status, 0, 0, send_at, expires_at, "", "", "", False, "")
    parts = [
        (derive(message.message_id, seq), message.message_id, seq, *rest) for seq in range(1, message.body.parts + 1)
    ]
    return _message_row(entry, status, expires_at, now), parts


def _message_row(entry: Entry, status: str, expires_at: datetime | None, now: datetime) -> tuple[Any, ...]:
    message, body = entry.admitted.message, entry.admitted.message.body
    command, decision = message.command, message.decision
    return (
        message.message_id,
        command.account.id,
        command.api_client.id if command.api_client else None,
        command.smpp_client.id if command.smpp_client else None,
        command.source,
        "sms",
        decision.sender,
        message.recipient,
        message.recipient_given,
        body.content,
        body.encoding.value,
        command.flash,
        body.udh,
        message.reference,
        body.parts,
        message.lane,
        status,
        entry.admitted.over_limit,
        command.client_ref,
        list(command.tags) if command.tags else None,
        dict(command.tlvs) if command.tlvs else None,
        command.notes.packed() if command.notes else None,
        command.dlr,
        command.dlr_url,
        entry.admitted.send_at,
        expires_at,
        _route(decision.profile_id, decision.route_id, decision.prefix, decision.hops),
        entry.connector_id,
        decision.rate,
        decision.cost,
        to_units(message.unit_price),
        to_units(message.price),
        entry.charge,
        "",
        "",
        False,
        now,
    )


@lru_cache(maxsize=10_000)
def _route(profile: int, route: int, prefix: str, hops: tuple[int, ...]) -> str:
    """What a message keeps of its decision, as JSON; thousands of messages go the same way."""
    return json.dumps({"profile": profile, "route": route, "prefix": prefix, "hops": list(hops)})


def _tallies(entries: Iterable[Entry], now: datetime) -> list[traffic.Tally]:
    """One per account and connector; the hour is that of the batch."""
    sums: dict[tuple[int, int], list[Any]] = {}
    for entry in entries:
        message = entry.admitted.message
        total = sums.setdefault((message.command.account.id, entry.connector_id), [0, 0, 0])
        total[0] += 1
        total[1] += message.body.parts
        total[2] += message.price
    return [
        traffic.Tally(
            at=now,
            account_id=account,
            connector_id=connector,
            measure=traffic.ACCEPTED,
            messages=total[0],
            parts=total[1],
            amount=total[2],
        )
        for (account, connector), total in sums.items()
    ]
