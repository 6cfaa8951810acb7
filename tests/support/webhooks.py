"""Deliveries for the tests: rows as `deliveries.plan` leaves them, and a webhook loop in a thread."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections

from common.clock import utc_now
from common.ids import derive, new_id
from messaging import webhooks
from messaging.models import Delivery
from messaging.webhooks import Claimed, Posted
from tests.support.cast import Cast
from workers.deliveries import process
from workers.deliveries.loop import DeliveryLoop

BODY = '{"message_id":"abc","to":"971501234567","text":"é م"}'


def due(cast: Cast, url: str, count: int = 1, **fields: Any) -> list[UUID]:
    """`count` deliveries to the URL that are due since a second; `{n}` in the URL counts them."""
    moment = utc_now()
    rows = []
    for number in range(count):
        message = new_id()
        values = {
            "id": derive(message, 1001),
            "account": cast.account,
            "api_client": cast.client,
            "subject": message,
            "kind": "dlr",
            "url": url.replace("{n}", str(number)),
            "body": BODY,
            "next_try_at": moment - timedelta(seconds=1),
            "created_at": moment,
            **fields,
        }
        rows.append(Delivery(**values))
    Delivery.objects.bulk_create(rows)
    return [row.id for row in rows]


def born(cast: Cast, url: str, count: int = 1, *, token: int, seconds: float = 5, **fields: Any) -> list[UUID]:
    """The same as `deliveries.plan` leaves them: claimed for whoever knows the token, for so many seconds."""
    lease = utc_now() + timedelta(seconds=seconds)
    return due(cast, url, count, state="CLAIMED", token=token, lease_until=lease, **fields)


_tokens = iter(range(1, 1_000_000))


def claim(ids: Sequence[UUID]) -> list[Claimed]:
    """Claim under a new token."""
    return webhooks.claim(token=next(_tokens), ids=ids)


def posted(claimed: Claimed, code: int | None = 200, error: str = "") -> Posted:
    """How a try of the claimed delivery ended."""
    return Posted(claimed, code, error, 12, utc_now())


def states(ids: Sequence[UUID]) -> set[str]:
    """The states in which these deliveries are."""
    return set(Delivery.objects.filter(pk__in=ids).values_list("state", flat=True))


@contextlib.contextmanager
def loop_running(loop: DeliveryLoop | None = None) -> Iterator[DeliveryLoop]:
    """A loop at work; after the block it has ended."""
    loop = loop or DeliveryLoop()
    thread = threading.Thread(target=process.run, args=[loop], name="deliveries of a test")
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(20)
        connections.close_all()
        assert not thread.is_alive()
