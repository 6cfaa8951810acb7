"""Telling the queues of parts that went back in line after acceptance: retries, next hops, parts that are due."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from common.clock import utc_now
from common.sql import dialect, hot
from messaging import outbox


def announce(part_ids: Iterable[UUID]) -> None:
    """Write outbox rows for parts that this transaction made QUEUED, and publish them after its commit."""
    ids = sorted(part_ids)
    if not ids:
        return
    sql = dialect()
    among, values = sql.keyed("id", ids)
    with hot() as cursor:
        cursor.execute(f"SELECT connector_id, lane, id FROM messaging_part WHERE {among} ORDER BY id", values)
        rows = outbox.hints((connector, lane, sql.uuid(part_id)) for connector, lane, part_id in cursor.fetchall())
        outbox.insert(cursor, rows, utc_now())
    transaction.on_commit(lambda: outbox.shared_outbox.publish(rows))
