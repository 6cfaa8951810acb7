"""The end of a drain: a line that gets nothing new and has nothing left closes its binds and stays empty."""

from django.db import connection, transaction

from accounts.audit import record
from connectors.models import Connector, Desired

# One statement, one view of the table: a part that goes back in line is seen in one of the two places.
_LEFT = (
    "SELECT EXISTS (SELECT 1 FROM messaging_part WHERE connector_id = %s AND status = 'QUEUED') "
    "OR EXISTS (SELECT 1 FROM messaging_part WHERE connector_id = %s AND status = 'SUBMITTING')"
)


def finish(connector_id: int) -> bool:
    """Make a draining connector drained when nothing is queued for it any more; whether it is so now.

    Scheduled parts do not hold it up: their dates may lie weeks ahead. They wait on it as on a stopped line.
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


def _anything_left(connector_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, [connector_id, connector_id])
        return bool(cursor.fetchone()[0])
