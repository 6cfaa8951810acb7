"""Planning of Delivery rows: who is told of a message's end, and the exact words (requirements S0-137, S0-138)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.snapshot import AccountView, accounts
from common.ids import derive
from common.jobs import enqueue
from common.sql import dialect
from messaging import client_receipts, mailbox
from messaging.client_receipts import Wish
from messaging.events import FINAL, LATE, UNDERWAY, Told
from messaging.lines import line_name
from messaging.models import Delivery
from messaging.status import webhook_word
from messaging.webhooks import BORN_LEASE, DELIVER, new_token

__all__ = ["FINAL", "LATE", "MASK", "UNDERWAY", "Told", "body", "plan", "timestamp"]

MASK = "gateway"
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode  # `dumps` would make one each time
_EVENT_BASE = 1000  # numbers below are parts of the message


@dataclass(frozen=True, slots=True)
class _Target:
    url: str = ""
    api_client_id: int | None = None
    endpoint_id: int | None = None
    smpp_client_id: int | None = None


_COLUMNS = (
    "id",
    "account_id",
    "subject",
    "kind",
    "api_client_id",
    "endpoint_id",
    "smpp_client_id",
    "url",
    "body",
    "state",
    "tries",
    "next_try_at",
    "token",
    "lease_until",
    "last_error",
    "created_at",
)


def plan(told: Sequence[Told], *, now: datetime) -> list[UUID]:
    """Write one Delivery row for each event that somebody wants to hear of, and wake the webhook loop after commit.

    At most one event of each number for a message: one that exists already is left alone. Rows for a webhook are
    born claimed for whoever gets the hint; when the hint is lost their lease ends and they are due. Rows for a client
    bind are PENDING without `next_try_at`: the SMPP server hears of them, the webhook loop never finds them.
    """
    wanted: dict[UUID, tuple[Told, _Target]] = {}
    wishes = client_receipts.wishes([event.message for event in told])
    for event in told:
        target = _target(event, wishes)
        if target is not None:
            wanted.setdefault(derive(event.message.id, _EVENT_BASE + event.number), (event, target))
    for known in _already_underway(wanted):
        del wanted[known]
    token = new_token()
    rows = [
        _row(key, event, target, _words(event, target, wishes), now, token) for key, (event, target) in wanted.items()
    ]
    with connection.cursor() as cursor:
        dialect().insert(cursor, Delivery._meta.db_table, _COLUMNS, rows)
    posted = [key.hex for key, (_, target) in wanted.items() if target.url]
    if posted:
        enqueue(DELIVER, ids=posted, token=token)
    boxes = {target.smpp_client_id for _, target in wanted.values() if target.smpp_client_id is not None}
    if boxes:
        transaction.on_commit(lambda: mailbox.ring(boxes))
    return list(wanted)


def body(event: Told, account: AccountView | None) -> str:
    """The JSON of a callback, exactly the fields of S0-137."""
    message = event.message
    name = MASK if account is not None and account.mask_connector else line_name(event.connector_id)
    return _json(
        {
            "message_id": message.public_id,
            "from": message.sender,
            "to": message.recipient_given or message.recipient,
            "msisdn": message.recipient,
            "status": webhook_word(event.status),
            "error_code": event.error_code or "000",
            "connector": name,
            "timestamp": timestamp(event.at),
        }
    )


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-04-10T12:30:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _words(event: Told, target: _Target, wishes: Mapping[UUID, Wish]) -> str:
    if target.smpp_client_id is not None:
        return client_receipts.body(event, wishes[event.message.id])
    return body(event, accounts().account(event.message.account_id))


def _target(event: Told, wishes: Mapping[UUID, Wish]) -> _Target | None:
    """Message before client before account; texts that came over a client bind are told on one."""
    message = event.message
    if not message.dlr:
        return None
    if message.smpp_client_id is not None:
        wish = wishes.get(message.id)
        told = wish is not None and wish.wants(event.status, final=event.number != UNDERWAY)
        return _Target(smpp_client_id=message.smpp_client_id) if told else None
    if message.dlr_url:
        return _Target(message.dlr_url, message.api_client_id)
    client = accounts().client(message.api_client_id) if message.api_client_id else None
    if client is not None and client.dlr_url:
        return _Target(client.dlr_url, client.id)
    for endpoint in accounts().endpoints(message.account_id, "dlr"):
        return _Target(endpoint.url, message.api_client_id, endpoint.id)
    return None


def _already_underway(wanted: dict[UUID, tuple[Told, _Target]]) -> list[UUID]:
    """Only ENROUTE comes several times; finals are guarded by the state of the message."""
    repeatable = [key for key, (event, _) in wanted.items() if event.number == UNDERWAY]
    return list(Delivery.objects.filter(id__in=repeatable).values_list("id", flat=True)) if repeatable else []


def _row(key: UUID, event: Told, target: _Target, words: str, now: datetime, token: int) -> tuple[Any, ...]:
    pending, claimed = Delivery.State.PENDING.value, Delivery.State.CLAIMED.value
    born = (claimed, 0, now, token, now + timedelta(seconds=BORN_LEASE))
    return (
        key,
        event.message.account_id,
        event.message.id,
        "dlr",
        target.api_client_id,
        target.endpoint_id,
        target.smpp_client_id,
        target.url,
        words,
        *(born if target.url else (pending, 0, None, None, None)),
        "",
        now,
    )
