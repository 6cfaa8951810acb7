"""Who is bound, in rows that people read (accounts.ClientBind): written beside the sessions, never in their way."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F

from accounts.models import ClientBind, SmppClient
from common.clock import utc_now
from common.sql import dialect
from common.transactions import retried
from workers.database import DatabaseThreads
from workers.smpp_server.bound import Bound
from workers.smpp_server.register import Register

log = structlog.get_logger(__name__)

SEEN_EVERY: Final = 10.0  # seconds between signs of life
DEAD_AFTER: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=30)
_MOST_ENDED: Final = 10_000  # history that waits for a store that is away
_MOST_DEAD: Final = 1_000  # of a pass; the next one comes in ten seconds
_TABLE: Final = ClientBind._meta.db_table
_END: Final = (
    ("v_id", "uuid"), ("v_ended", "timestamptz"), ("v_reason", "text"),
    ("v_submitted", "bigint"), ("v_refused", "bigint"), ("v_delivered", "bigint"),
)  # fmt: skip
_COUNTS: Final = "submitted = v_submitted, refused = v_refused, delivered = v_delivered"


class BindsTable:
    """Gathers what began and ended; `write` brings it into the table."""

    def __init__(self, server: str, register: Register, database: DatabaseThreads) -> None:
        self._server, self._register, self._database = server, register, database
        self._opened: list[ClientBind] = []
        self._ended: list[tuple[Any, ...]] = []

    def opened(self, session: Bound, version: int) -> None:
        """A bind has begun."""
        assert session.bind_id is not None
        self._opened.append(
            ClientBind(
                id=session.bind_id,
                smpp_client_id=session.client_id,
                mode=session.mode,
                version=version,
                tls=session.tls,
                address=session.address[:45],
                port=session.port,
                server=self._server,
                since=session.since,
                seen_at=session.since,
            )
        )

    def ended(self, session: Bound, reason: str) -> None:
        """A bind is over."""
        self._ended.append((session.bind_id, utc_now(), reason[:100], *_counts(session)))
        del self._ended[:-_MOST_ENDED]

    async def write(self, *, seen: bool = False) -> None:
        """Write what has gathered; `seen`: also a sign of life of every bind here, and the ends of dead servers."""
        opened, self._opened = self._opened, []
        ended, self._ended = self._ended, []
        alive = [(session.bind_id, *_counts(session)) for session in self._register] if seen else []
        try:
            await self._database.run(_write, opened, ended)
            if seen:
                await self._database.run(_seen, alive)
        except Exception as error:  # only people read these rows
            log.info("binds_not_written", error=str(error))
            self._opened[:0], self._ended[:0] = opened[-_MOST_ENDED:], ended


def _counts(session: Bound) -> tuple[int, int, int]:
    return session.submitted, session.refused, session.delivered


@retried()
def _write(opened: Sequence[ClientBind], ended: Sequence[tuple[Any, ...]]) -> None:
    if not (opened or ended):
        return
    d = dialect()
    with transaction.atomic():
        ClientBind.objects.bulk_create(_of_known(opened), ignore_conflicts=True)
        if ended:
            source, params = d.rows("v", _END, ended)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {_TABLE} SET ended_at = v_ended, seen_at = v_ended, reason = v_reason, {_COUNTS} "
                    f"FROM {source} WHERE id = v_id",
                    params,
                )


def _of_known(opened: Sequence[ClientBind]) -> list[ClientBind]:
    """Without those whose client was deleted meanwhile: one of them would keep all the others from being written."""
    wanted = {bind.smpp_client_id for bind in opened}
    known = set(SmppClient.objects.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    return [bind for bind in opened if bind.smpp_client_id in known]


@retried()
def _seen(alive: Sequence[tuple[UUID, int, int, int]]) -> None:
    d, now = dialect(), utc_now()
    if alive:
        source, params = d.rows("v", (_END[0], *_END[3:]), alive)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {_TABLE} SET seen_at = %s, {_COUNTS} FROM {source} WHERE id = v_id", [d.value(now), *params]
            )
    _end_dead(now)


def _end_dead(now: datetime) -> None:
    """Binds of a server that died without a word; forgotten ones of long ago go."""
    dead = ClientBind.objects.filter(ended_at=None, seen_at__lt=now - DEAD_AFTER)
    some = dead.order_by("pk").values("pk")[:_MOST_DEAD]
    dead.filter(pk__in=some).update(ended_at=F("seen_at"), reason="its server ended without a word")
    ClientBind.objects.filter(ended_at__lt=now - KEPT).delete()
