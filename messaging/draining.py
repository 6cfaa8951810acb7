"""The end of a drain: a line that gets nothing new and has nothing left closes its binds and stays empty."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection, transaction

from accounts.audit import record
from common.sql import dialect
from connectors.models import Connector, Desired
from messaging.lines import next_hop, usable
from messaging.retry import DELAYS
from messaging.rows import MessageRow, PartRow

SOON = float(max(DELAYS) + 10)  # seconds in which a retry that is under way comes back in line
LOOKED_AT = 20_000  # rows with a date within SOON; a campaign of that size on other lines must not cost a second each
# One statement, one view of the table: a part that goes back in line is seen in one of the places.
_LEFT = """
    SELECT EXISTS (SELECT 1 FROM messaging_part WHERE connector_id = %s AND status = 'QUEUED')
    OR EXISTS (SELECT 1 FROM messaging_part WHERE connector_id = %s AND status = 'SUBMITTING')
    OR EXISTS (SELECT 1 FROM (SELECT connector_id FROM messaging_part WHERE status = 'SCHEDULED'
        AND send_at <= (SELECT {soon}) ORDER BY send_at LIMIT %s) AS due WHERE connector_id = %s)
    OR EXISTS (SELECT 1 FROM (SELECT connector_id FROM messaging_part WHERE status = 'UNCERTAIN'
        AND uncertain_until <= (SELECT {soon}) ORDER BY uncertain_until LIMIT %s) AS doubt WHERE connector_id = %s)
"""
ELSEWHERE = (("connector_id", "bigint"), ("hop", "smallint"), ("attempts", "smallint"))


def finish(connector_id: int) -> bool:
    """Make a draining connector drained when nothing is queued for it any more; whether it is so now.

    Retries and doubts that come back within minutes hold it up, dates that lie further ahead do not: when those come,
    the part goes to the next line of its route (`elsewhere`), or waits as on a stopped line.
    """
    if _anything_left(connector_id):
        return False
    with transaction.atomic():
        row = Connector.objects.select_for_update().filter(pk=connector_id, desired=Desired.DRAINING).first()
        if row is None:
            return False
        row.desired = Desired.DRAINED
        row.save(update_fields=["desired"])
        details = {"desired": [Desired.DRAINING, Desired.DRAINED]}
        record(action="drained", entity="connector", entity_id=row.pk, details=details)
    return True


def elsewhere(parts: Iterable[PartRow], messages: Mapping[UUID, MessageRow]) -> dict[UUID, tuple[int, int, int]]:
    """New values of ELSEWHERE for parts that are due on a line that takes nothing new, where their route goes on."""
    found = {}
    for part in parts:
        if usable(part.connector_id):
            continue
        message = messages.get(part.message_id)
        hops = message.hops if message is not None else []
        following = next_hop(hops, part.hop)
        if following is not None:
            found[part.id] = (hops[following], following, 0)
    return found


def _anything_left(connector_id: int) -> bool:
    sql, soon = dialect(), SOON
    statement = _LEFT.format(soon=sql.seconds_ahead())
    one = connector_id
    with connection.cursor() as cursor:
        cursor.execute(statement, [one, one, soon, LOOKED_AT, one, soon, LOOKED_AT, one])
        return bool(cursor.fetchone()[0])
