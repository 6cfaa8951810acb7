"""Claiming parts for a bind: QUEUED → SUBMITTING in one conditional UPDATE, so that no two binds share a row.

Queues carry hints; the row decides. Ids that do not come back were taken, cancelled, re-routed or are over their
validity (those are left to the expiry sweep).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from common.crash import point
from common.sql import dialect, hot
from common.transactions import retried
from messaging import retry, status
from messaging.announcing import announce
from messaging.lines import line
from messaging.models import Status
from messaging.rows import database_now

BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedPart:
    """Everything that a bind needs to write one part; `content` is the whole message, `seq` of `total` says which part.

    `content` and `udh` are as in Message: text, or hex for binary; hex. `claimed_at` tells this claim from another of
    the same owner.
    """

    part_id: UUID
    message_id: UUID
    seq: int
    total: int
    sender: str
    recipient: str
    content: str
    encoding: str
    flash: bool
    udh: str
    reference: int | None
    lane: str
    tlvs: dict[str, Any] | None
    expires_at: datetime | None
    attempts: int
    possible_duplicate: bool
    esme: dict[str, Any] | None = None
    hop: int = 0
    claimed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    part_id: UUID
    message_id: UUID
    seq: int
    attempts: int
    expires_at: datetime | None
    possible_duplicate: bool
    hop: int
    claimed_at: datetime | None


@retried()
def claim(
    *, connector_id: int, lane: str, bind_no: int, fence: int, ids: Sequence[UUID] | None, limit: int
) -> list[ClaimedPart]:
    """Claim at most `limit` parts, oldest first, for the owner of a lease; `ids` None looks into the table."""
    if limit <= 0 or (ids is not None and not ids):
        return []
    with transaction.atomic():
        chosen = _waiting(connector_id, lane, limit) if ids is None else list(ids)
        taken = _take(chosen, connector_id=connector_id, lane=lane, bind_no=bind_no, fence=fence, limit=limit)
        parts = _with_messages(taken, lane)
    point("claimed")
    return parts


def _waiting(connector_id: int, lane: str, limit: int) -> list[UUID]:
    """Ids from the partial index of queued parts, locked, without those that somebody else is claiming."""
    sql = dialect()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM messaging_part WHERE connector_id = %s AND lane = %s AND status = 'QUEUED' "
            f"AND (expires_at IS NULL OR expires_at > {sql.now}) ORDER BY id LIMIT %s {sql.skip_locked}",
            [connector_id, lane, limit],
        )
        return [sql.uuid(row[0]) for row in cursor.fetchall()]


def _take(ids: Sequence[UUID], *, connector_id: int, lane: str, bind_no: int, fence: int, limit: int) -> list[_Taken]:
    if not ids:
        return []
    sql = dialect()
    among, values = sql.keyed("id", ids)
    within, ends = sql.between("id", ids)
    # MATERIALIZED: as a plain subquery a plan may run LIMIT … SKIP LOCKED again for each row.
    statement = f"""
        WITH picked AS MATERIALIZED (
            SELECT id AS v_id FROM messaging_part
            WHERE {among} AND status = 'QUEUED' AND connector_id = %s AND lane = %s
              AND (expires_at IS NULL OR expires_at > {sql.now})
            ORDER BY id LIMIT %s {sql.skip_locked})
        UPDATE messaging_part
        SET status = 'SUBMITTING', bind_no = %s, fence = %s, claimed_at = {sql.now}, uncertain_until = NULL
        WHERE {sql.found_by("id", "SELECT v_id FROM picked")} AND {within} AND status = 'QUEUED'
        RETURNING id, message_id, seq, attempts, expires_at, possible_duplicate, hop, claimed_at"""
    with hot() as cursor:
        cursor.execute(statement, [*values, connector_id, lane, limit, bind_no, fence, *ends])
        found = cursor.fetchall()
    taken = [
        _Taken(sql.uuid(a), sql.uuid(b), seq, attempts, sql.moment(expires_at), bool(flagged), hop, sql.moment(at))
        for a, b, seq, attempts, expires_at, flagged, hop, at in found
    ]
    return sorted(taken, key=lambda part: part.part_id)


_TEXTS = "id, parts, sender, recipient, content, encoding, flash, udh, reference, tlvs, esme"


def _with_messages(taken: Sequence[_Taken], lane: str) -> list[ClaimedPart]:
    if not taken:
        return []
    sql = dialect()
    among, values = sql.keyed("id", {part.message_id for part in taken})
    with hot() as cursor:
        cursor.execute(f"SELECT {_TEXTS} FROM messaging_message WHERE {among}", values)
        texts = {sql.uuid(row[0]): row[1:] for row in cursor.fetchall()}
    return [_claimed(part, texts[part.message_id], lane) for part in taken if part.message_id in texts]


def _claimed(part: _Taken, text: Sequence[Any], lane: str) -> ClaimedPart:
    total, sender, recipient, content, encoding, flash, udh, reference, tlvs, esme = text
    return ClaimedPart(
        part_id=part.part_id,
        message_id=part.message_id,
        seq=part.seq,
        total=total,
        sender=sender,
        recipient=recipient,
        content=content,
        encoding=encoding,
        flash=bool(flash),
        udh=udh,
        reference=reference,
        lane=lane,
        tlvs=json.loads(tlvs) if isinstance(tlvs, str) else tlvs,
        expires_at=part.expires_at,
        attempts=part.attempts,
        possible_duplicate=part.possible_duplicate,
        esme=json.loads(esme) if isinstance(esme, str) else esme,
        hop=part.hop,
        claimed_at=part.claimed_at,
    )


UNCLAIMED = (("bind_no", "smallint"), ("fence", "bigint"), ("claimed_at", "timestamptz"))


@retried()
def hand_back(part_ids: Iterable[UUID], *, connector_id: int, bind_no: int, fence: int) -> set[UUID]:
    """Put claimed parts that were surely not written back in line; only their living owner may say so."""
    with transaction.atomic():
        back = status.move(
            Status.QUEUED,
            dict.fromkeys(part_ids, (None, None, None)),
            columns=UNCLAIMED,
            only_from=frozenset({Status.SUBMITTING}),
            where="AND connector_id = %s AND bind_no = %s AND fence = %s",
            params=(connector_id, bind_no, fence),
        )
        announce(back)
    return back


def abandon(*, connector_id: int, bind_no: int, fence_below: int) -> int:
    """Make uncertain what owners before `fence_below` had claimed: nobody can say whether it was written.

    Returns how many parts.
    """
    where, params = "connector_id = %s AND bind_no = %s AND fence < %s", (connector_id, bind_no, fence_below)
    return make_uncertain(where, params)


def make_uncertain(where: str, params: Sequence[Any]) -> int:
    """SUBMITTING → UNCERTAIN for the parts of a condition, in batches; rows that somebody records now are skipped."""
    total = 0
    while True:
        found, moved = _uncertain_pass(where, params)
        total += moved
        if found < BATCH or not moved:
            return total


@retried()
def _uncertain_pass(where: str, params: Sequence[Any]) -> tuple[int, int]:
    sql = dialect()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, connector_id, lane, expires_at FROM messaging_part "
                f"WHERE status = 'SUBMITTING' AND {where} ORDER BY id LIMIT %s {sql.skip_locked}",
                [*params, BATCH],
            )
            rows = cursor.fetchall()
        now = database_now()
        changes = {}
        for part_id, connector_id, lane, expires_at in rows:
            view = line(connector_id)
            policies = view.uncertain_policy if view is not None else {}
            until = retry.uncertain_until(policies, lane, expires_at=sql.moment(expires_at), now=now)
            changes[sql.uuid(part_id)] = (until,)
        moved = status.move(Status.UNCERTAIN, changes, columns=(("uncertain_until", "timestamptz"),))
    return len(rows), len(moved)
