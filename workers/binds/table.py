"""Which lanes have rows in the table: one look for all connectors of this process."""

from collections.abc import Sequence

from django.db import connection

from common.queues import Lane
from common.sql import dialect

Place = tuple[int, Lane]  # connector id, lane


def lanes_with_rows(places: Sequence[Place]) -> list[Place]:
    """Those of the places that have a QUEUED part; one probe of the partial index for each."""
    if not places:
        return []
    sql = dialect()
    columns = (("v_connector", "bigint"), ("v_lane", "varchar"))
    source, params = sql.rows("v", columns, [(connector, lane.value) for connector, lane in places])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT v_connector, v_lane FROM {source} WHERE EXISTS (SELECT 1 FROM messaging_part p "
            "WHERE p.connector_id = v_connector AND p.lane = v_lane AND p.status = 'QUEUED')",
            params,
        )
        return [(connector, Lane(lane)) for connector, lane in cursor.fetchall()]
