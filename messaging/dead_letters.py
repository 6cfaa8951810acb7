"""Deliveries that were given up after the last try or a 410: listed, and sent again on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from common.clock import utc_now
from common.jobs import enqueue
from messaging.models import Delivery
from messaging.webhooks import DELIVER

_HINTED = 500  # ids in one hint
_CHUNK = 1_000  # rows in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which dead letters; what is left open does not narrow the choice."""

    ids: tuple[UUID, ...] = ()
    account_id: int | None = None
    since: datetime | None = None  # of the event


def dead_letters(choice: Choice) -> QuerySet[Delivery]:
    """The chosen dead letters, oldest event first; those of client binds are not webhooks."""
    dead = Delivery.objects.filter(state=Delivery.State.EXHAUSTED).exclude(url="")
    if choice.ids:
        dead = dead.filter(pk__in=choice.ids)
    if choice.account_id is not None:
        dead = dead.filter(account_id=choice.account_id)
    if choice.since is not None:
        dead = dead.filter(created_at__gte=choice.since)
    return dead.order_by("id")


def replay(choice: Choice, *, limit: int = 10_000) -> int:
    """Send dead letters again with the same event ids and a fresh schedule; returns how many, at most `limit`."""
    chosen = list(dead_letters(choice).values_list("pk", flat=True)[:limit])
    return sum(_replay(chosen[at : at + _CHUNK]) for at in range(0, len(chosen), _CHUNK))


def _replay(ids: Sequence[UUID]) -> int:
    with transaction.atomic():
        count = Delivery.objects.filter(pk__in=ids, state=Delivery.State.EXHAUSTED).update(
            state=Delivery.State.PENDING, tries=0, next_try_at=utc_now(), done_at=None
        )
        for at in range(0, len(ids), _HINTED):
            enqueue(DELIVER, ids=[str(pk) for pk in ids[at : at + _HINTED]])
    return count
