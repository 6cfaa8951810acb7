"""Texts from handsets for clients who are bound to us: how they wait in the mailbox."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from common.clock import utc_now
from common.ids import derive
from common.sql import dialect
from messaging import mailbox
from messaging.models import Delivery
from smpp.addresses import Address

_FIRST_EVENT = 1001  # of an inbound message: it is told once


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFacts:
    """A text as a client is to get it: `content` is hex when the encoding is binary; `data_coding` None: ours."""

    source: Address
    destination: Address
    content: str
    encoding: str
    udh: bytes = b""
    data_coding: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFor:
    """An inbound message (its id) and the client who is to get it."""

    inbound_id: UUID
    account_id: int
    smpp_client_id: int
    facts: TextFacts


_COLUMNS = (
    "id",
    "account_id",
    "subject",
    "kind",
    "smpp_client_id",
    "url",
    "body",
    "state",
    "tries",
    "last_error",
    "created_at",
)


def plan(texts: Sequence[TextFor]) -> list[UUID]:
    """Write a Delivery row for each text, in the caller's transaction; the client's server hears of it. Returns ids."""
    now = utc_now()
    rows: list[tuple[Any, ...]] = []
    for text in texts:
        key = derive(text.inbound_id, _FIRST_EVENT)
        rows.append((
            key, text.account_id, text.inbound_id, "mo", text.smpp_client_id, "", _dumped(text.facts),
            Delivery.State.PENDING.value, 0, "", now,
        ))  # fmt: skip
    with connection.cursor() as cursor:
        dialect().insert(cursor, Delivery._meta.db_table, _COLUMNS, rows)
    boxes = {text.smpp_client_id for text in texts}
    transaction.on_commit(lambda: mailbox.ring(boxes))
    return [row[0] for row in rows]


def _dumped(facts: TextFacts) -> str:
    found: dict[str, Any] = {
        "src": [facts.source.value, facts.source.ton, facts.source.npi],
        "dst": [facts.destination.value, facts.destination.ton, facts.destination.npi],
        "content": facts.content,
        "encoding": str(facts.encoding),
    }
    if facts.udh:
        found["udh"] = facts.udh.hex()
    if facts.data_coding is not None:
        found["dcs"] = facts.data_coding
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def load_text(body: str) -> TextFacts:
    """The facts of a Delivery's body; raises ValueError or KeyError for another body."""
    found = json.loads(body)
    return TextFacts(
        source=Address(*found["src"]),
        destination=Address(*found["dst"]),
        content=found["content"],
        encoding=found["encoding"],
        udh=bytes.fromhex(found.get("udh", "")),
        data_coding=found.get("dcs"),
    )
