"""How tries of deliveries end, whichever way they go out: one statement, under the token of the claim."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final
from uuid import UUID

from common.sql import dialect, hot
from messaging.models import Delivery

# id, token, state, next_try_at, tries, last_code, last_error, done_at
Row = tuple[UUID, int, str, datetime | None, int, int | None, str, datetime | None]

_COLUMNS: Final = (
    ("v_id", "uuid"), ("v_token", "bigint"), ("v_state", "text"), ("v_next", "timestamptz"), ("v_tries", "smallint"),
    ("v_code", "smallint"), ("v_error", "text"), ("v_done", "timestamptz"),
)  # fmt: skip
_TABLE: Final = Delivery._meta.db_table


def write(rows: Sequence[Row]) -> dict[UUID, str]:
    """Inside a transaction of the caller; returns id and state of what was still his. Lost leases change nothing."""
    d, ordered = dialect(), sorted(rows, key=itemgetter(0))
    source, params = d.rows("v", _COLUMNS, ordered)
    among, ids = d.keyed("id", [row[0] for row in ordered])
    sql = (
        f"UPDATE {_TABLE} SET state = v_state, tries = v_tries, next_try_at = v_next, last_code = v_code, "
        f"last_error = v_error, done_at = v_done, lease_until = NULL FROM {source} "
        f"WHERE {among} AND id = v_id AND token = v_token AND state = 'CLAIMED' RETURNING id, state"
    )
    with hot() as cursor:
        cursor.execute(sql, [*params, *ids])
        return {d.uuid(key): state for key, state in cursor.fetchall()}
