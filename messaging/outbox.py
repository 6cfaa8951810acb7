"""Telling the queues of new parts: rows written with the messages, deleted once the broker has confirmed.

The rows are the record; what is published is a hint. Publishing twice is harmless, because consumers claim
parts from the table (architecture section 3, "Queues are hints").
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction

from common import bus, crash, queues
from common.ids import new_id
from common.sql import Cursor, dialect, hot
from connectors.snapshot import connectors
from messaging.models import OutboxBatch

log = structlog.get_logger(__name__)

MOST_IDS: Final = 200
IDLE: Final = 1.0  # seconds after which confirmed rows are deleted although no batch came by
CLOSING: Final = 2.0  # seconds that the end of a process waits for the last rows to be deleted
RELAY_AFTER: Final = 5.0  # seconds; the publisher gives up on a letter by then
_TABLE = OutboxBatch._meta.db_table
_COLUMNS = (
    ("id", "uuid"), ("connector_id", "bigint"), ("lane", "varchar"), ("parts", "text"), ("created_at", "timestamptz"),
)  # fmt: skip


class Post(Protocol):
    """What we need of common.bus.Publisher."""

    def publish(self, queue_name: str, body: object, *, on_confirmed: Callable[[], None] | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class Hint:
    """One outbox row: parts of one connector and lane."""

    id: UUID
    connector_id: int
    lane: str
    parts: tuple[str, ...]  # hex ids


def hints(parts: Iterable[tuple[int, str, UUID]]) -> list[Hint]:
    """Outbox rows for (connector id, lane, part id), in order, at most 200 ids each."""
    found: dict[tuple[int, str], list[str]] = {}
    for connector_id, lane, part_id in parts:
        found.setdefault((connector_id, lane), []).append(part_id.hex)
    return [Hint(new_id(), *key, chunk) for key, ids in found.items() for chunk in _chunks(ids)]


def _chunks(ids: list[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), MOST_IDS):
        yield tuple(ids[start : start + MOST_IDS])


def insert(cursor: Cursor, rows: Iterable[Hint], now: datetime) -> None:
    """Write the rows inside the transaction that writes their parts."""
    values = [(hint.id, hint.connector_id, hint.lane, ",".join(hint.parts), now) for hint in rows]
    dialect().insert_few(cursor, _TABLE, _COLUMNS, values)


class Outbox:
    """Publishes committed rows and remembers which of them the broker has confirmed."""

    def __init__(self, post: Callable[[], Post] = bus.publisher) -> None:
        self._post = post
        self._confirmed: deque[UUID] = deque()
        self._changed = threading.Condition()
        self._sweeper: threading.Thread | None = None
        self._last_delete = 0.0
        self._closing = False  # confirmations are not remembered, until the next `publish`
        self._closes = 0  # calls of `close` that are under way: while there are any, no `publish` opens it again

    def publish(self, rows: Iterable[Hint]) -> None:
        """Hand committed rows to the publisher; never waits, and never raises: what is committed is accepted."""
        with self._changed:
            self._closing = self._closes > 0
        try:
            self._hand_over(rows)
        except Exception:  # whatever it is, the relay finds the rows
            log.exception("outbox_not_published")

    def _hand_over(self, rows: Iterable[Hint]) -> None:
        known = connectors().by_id
        for hint in rows:
            line = known.get(hint.connector_id)
            if line is None:  # gone, or not in memory yet: the relay or the consumer's look into the table finds it
                continue
            queue = queues.submit_queue(line.name, hint.lane)
            self._post().publish(queue, {"ids": list(hint.parts)}, on_confirmed=self._confirmer(hint.id))

    def _confirmer(self, row_id: UUID) -> Callable[[], None]:
        return lambda: self._note(row_id)

    def _note(self, row_id: UUID) -> None:
        with self._changed:
            if self._closing:  # too late: the relay tells it again
                return
            self._confirmed.append(row_id)
            if self._sweeper is None:
                self._last_delete = time.monotonic()
                self._sweeper = threading.Thread(target=self._sweep, name="outbox", daemon=True)
                self._sweeper.start()

    def take_confirmed(self) -> list[UUID]:
        """Ids whose rows may be deleted; the taker gives them back when its transaction fails."""
        with self._changed:
            taken = list(self._confirmed)
            self._confirmed.clear()
            if taken:
                self._last_delete = time.monotonic()
            return taken

    def give_back(self, row_ids: Iterable[UUID]) -> None:
        """The rows were not deleted after all."""
        with self._changed:
            self._confirmed.extendleft(row_ids)

    def flush(self) -> int:
        """Delete the confirmed rows in a transaction of their own; returns how many."""
        taken = self.take_confirmed()
        if not taken:
            return 0
        try:
            with transaction.atomic(), hot() as cursor:
                return delete(cursor, taken)
        except DatabaseError as error:
            self.give_back(taken)
            log.warning("outbox_not_cleared", error=str(error))
            connection.close()
            return 0

    def _sweep(self) -> None:
        """Delete what no batch came by to delete; ends when there is nothing left."""
        while True:
            with self._changed:
                if not self._confirmed:
                    self._sweeper = None
                    break
                idle = time.monotonic() - self._last_delete
                if idle < IDLE and not self._closing:
                    self._changed.wait(IDLE - idle)
                    continue
            if not self.flush():
                with self._changed:
                    self._last_delete = time.monotonic()
                    if self._closing:  # the store is away
                        self._confirmed.clear()
        connection.close()

    def close(self, *, forget: bool = False, timeout: float = CLOSING) -> None:
        """Delete what is confirmed at once, or `forget` it, and let the thread end; waits `timeout` seconds at most.

        What stays the relay tells again, which is harmless. The next `publish` after it opens it again.
        """
        with self._changed:
            self._closing, self._closes = True, self._closes + 1
            if forget:
                self._confirmed.clear()
            sweeper = self._sweeper
            self._changed.notify_all()
        try:
            if sweeper is not None:
                sweeper.join(timeout)
        finally:
            with self._changed:
                self._closes -= 1


def delete(cursor: Cursor, row_ids: list[UUID]) -> int:
    """Delete rows; one that a relay holds just now is left to it."""
    if not row_ids:
        return 0
    crash.point("after-publish-before-delete")
    sql = dialect()
    where, params = sql.any_of("id", row_ids)
    cursor.execute(
        f"DELETE FROM {_TABLE} WHERE id IN (SELECT id FROM {_TABLE} WHERE {where} {sql.skip_locked})", params
    )
    return cursor.rowcount


def relay(limit: int = 500, *, older_than: float = RELAY_AFTER, outbox: Outbox | None = None) -> int:
    """Publish rows that a crash or a broker outage left behind; returns how many were handed over.

    A row is claimed by making it young again, so that several relays share the work and an unconfirmed row
    comes up once more. Rows of connectors that no longer exist are deleted: nobody can consume them.
    """
    rows = _claim_old(limit, older_than)
    known = connectors().by_id
    orphans = [hint.id for hint in rows if hint.connector_id not in known]
    if orphans:
        with connection.cursor() as cursor:
            delete(cursor, orphans)
    (outbox or shared_outbox).publish(rows)
    return len(rows) - len(orphans)


def _claim_old(limit: int, older_than: float) -> list[Hint]:
    sql = dialect()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_TABLE} SET created_at = {sql.now} WHERE id IN (SELECT id FROM {_TABLE} "
            f"WHERE created_at < {sql.seconds_ahead()} ORDER BY id LIMIT %s {sql.skip_locked}) "
            "RETURNING id, connector_id, lane, parts",
            [-older_than, limit],
        )
        rows = cursor.fetchall()
    return [Hint(sql.uuid(row[0]), row[1], row[2], tuple(row[3].split(","))) for row in rows]


# One a process: whoever publishes, the next batch of any thread deletes.
shared_outbox = Outbox()


def close() -> None:
    """Publish what waits and delete what was confirmed: for the end of a process; seven seconds at most."""
    bus.close()
    shared_outbox.close()
