"""A server that stood still between its claim and the result sends nothing that others may have taken meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.db import connection, transaction

from messaging import mailbox, webhooks
from messaging.models import Delivery
from smpp.pdu import BindReceiver
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import Scene, bound, scene
from tests.workers.smpp_server.cast import deliveries as rows_of
from tests.workers.smpp_server.mail import off, text_for

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def paused(found: Scene) -> Iterator[None]:
    """The server's loop stands still, as by SIGSTOP."""
    stands, go = threading.Event(), threading.Event()
    found.server.service._loop.call_soon_threadsafe(lambda: (stands.set(), go.wait(30)))
    assert stands.wait(10)
    try:
        yield
    finally:
        go.set()


def a_claim_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock' AND query LIKE '%LATERAL%'"
        )
        return cursor.fetchone()[0] > 0


def taken_by_another_while_paused(found: Scene, locked: threading.Event) -> None:
    """Its claim is committed and its result is not read, until another server has handed the row over."""
    with ExitStack() as until_then:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {Delivery._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            locked.set()
            wait_until(a_claim_waits)
            until_then.enter_context(paused(found))
        wait_until(lambda: rows_of(found)[0].state == Delivery.State.CLAIMED)
        wait_until(webhooks.release_stale)
        [held] = mailbox.claim(token=7, room={found.client.pk: 1})
        mailbox.record([mailbox.Handed(held, Delivery.State.DELIVERED, 0.0, 0)])


def test_the_age_of_a_claim_counts_from_before_it_was_made(monkeypatch):
    """PostgreSQL only: a lock on the table keeps the claim back until the loop stands still."""
    monkeypatch.setattr(mailbox, "LEASE", 2.0)
    with scene() as found:
        text_for(found, content="taken")

        async def talk():
            locked = threading.Event()
            other = asyncio.create_task(off(taken_by_another_while_paused, found, locked))
            await off(locked.wait, 10)
            esme = await bound(found, BindReceiver)
            await other
            await off(text_for, found, content="next")
            [first, *_] = await esme.got(1)
            await esme.close()
            return first.short_message

        assert asyncio.run(talk()) == b"next"
