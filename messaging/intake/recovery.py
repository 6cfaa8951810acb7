"""After a COMMIT whose answer got lost: did it happen? (reliability, design rule 1.3 and F22)"""

import time
from typing import Final
from uuid import UUID

import structlog
from django.db import Error, connection

from common.sql import dialect
from messaging.models import Message

log = structlog.get_logger(__name__)

PATIENCE: Final = 5.0  # seconds without a database, then the caller is told that we cannot say
_PAUSE: Final = 0.05


class UnknownOutcome(Exception):
    """COMMIT was sent and no answer came. `proof` is the id of a row of that transaction, None: it wrote none."""

    def __init__(self, proof: UUID | None, backend: int | None) -> None:
        super().__init__("COMMIT without an answer")
        self.proof, self.backend = proof, backend


def backend() -> int | None:
    """The process number of our PostgreSQL session, known to the driver without asking."""
    if connection.vendor != "postgresql":
        return None
    return int(connection.connection.info.backend_pid)


def happened(unknown: UnknownOutcome) -> bool:
    """Whether the transaction is committed; False also when the database did not come back in time.

    As long as the old session lives it may still be about to commit, so a missing row proves nothing yet.
    """
    if unknown.proof is None:
        return True
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            ended = _has_ended(unknown.backend)
            if _is_there(unknown.proof):
                return True
            if ended:
                return False
        except Error as error:
            log.info("commit_look_up_failed", error=str(error))
            connection.close()
        time.sleep(_PAUSE)
    log.error("commit_outcome_unknown", message=str(unknown.proof))
    return False


def _has_ended(session: int | None) -> bool:
    if session is None:
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND backend_type = 'client backend'", [session])
        return cursor.fetchone() is None


def _is_there(message_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {Message._meta.db_table} WHERE id = %s", [dialect().value(message_id)])
        return cursor.fetchone() is not None
