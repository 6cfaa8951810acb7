"""The rows in which people read who is bound: what a dead server left is ended without a walk over the rows."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ClientBind
from common.clock import utc_now
from common.ids import new_id
from tests.support.cast import make_account, make_smpp_client
from workers.smpp_server import binds_table

pytestmark = [pytest.mark.django_db, pytest.mark.both]
NOW = utc_now()


def made(client, *, seen: timedelta, ended: timedelta | None = None) -> ClientBind:
    return ClientBind.objects.create(
        id=new_id(), smpp_client=client, mode="transceiver", version=0x34, address="127.0.0.1", port=40_000,
        server="gone:1", since=NOW - timedelta(days=40), seen_at=NOW - seen,
        ended_at=None if ended is None else NOW - ended, reason="" if ended is None else "the peer unbound",
    )  # fmt: skip


def test_binds_of_a_server_that_died_end_when_it_was_last_seen_by_one_statement():
    client = make_smpp_client(make_account())
    dead = [made(client, seen=timedelta(minutes=2, seconds=number)) for number in range(20)]
    alive = made(client, seen=timedelta(seconds=5))
    ended = made(client, seen=timedelta(hours=1), ended=timedelta(hours=1))
    with CaptureQueriesContext(connection) as seen:
        binds_table._end_dead(NOW)
    assert len([query for query in seen if query["sql"].startswith("UPDATE")]) == 1
    for bind in dead:
        found = ClientBind.objects.get(pk=bind.pk)
        assert (found.ended_at, found.reason) == (bind.seen_at, "its server ended without a word")
    assert ClientBind.objects.get(pk=alive.pk).ended_at is None
    assert ClientBind.objects.get(pk=ended.pk).reason == "the peer unbound"


def test_a_pass_ends_no_more_than_it_may_and_the_next_one_goes_on(monkeypatch):
    monkeypatch.setattr(binds_table, "_MOST_DEAD", 2)
    client = make_smpp_client(make_account())
    for _ in range(3):
        made(client, seen=timedelta(minutes=2))
    left = []
    for _ in range(2):
        binds_table._end_dead(NOW)
        left.append(ClientBind.objects.filter(ended_at=None).count())
    assert left == [1, 0]
