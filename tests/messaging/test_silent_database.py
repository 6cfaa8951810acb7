"""A database that says nothing: who waits is told within two seconds, and who was told "no" is never sent (P3, P10)."""

import asyncio
import threading
import time
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction

from billing.models import Wallet
from common.errors import Unavailable
from messaging.batcher import IntakeBatcher
from messaging.intake import Caller
from messaging.intake.caller import Abandoned
from messaging.models import Message
from tests.support import cast
from tests.support.intake import accepted, make_intake, request

pytestmark = pytest.mark.django_db(transaction=True)


class Frozen:
    """Holds a wallet as a server does that stands still in the middle of a transaction."""

    def __init__(self, account_id):
        self._account_id, self._held, self.thaw = account_id, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self):
        self._thread.start()
        assert self._held.wait(10)
        return self

    def __exit__(self, *_):
        self.thaw.set()
        self._thread.join()

    def _hold(self):
        try:
            with transaction.atomic():
                Wallet.objects.select_for_update().get(account_id=self._account_id)
                self._held.set()
                assert self.thaw.wait(20)
        finally:
            connection.close()


async def test_what_was_refused_during_the_silence_is_not_committed_after_it():
    who = await sync_to_async(cast.customer)("100")
    asked = await sync_to_async(lambda: [request(who) for _ in range(7)])()
    silence = threading.Event()
    batcher = IntakeBatcher(make_intake(), silent=silence.is_set)
    batcher.start()
    with Frozen(who.account.pk) as server:
        waiting = [asyncio.create_task(batcher.submit(each)) for each in asked[:5]]
        await asyncio.sleep(0.3)  # the first is in a transaction by now
        silence.set()
        began = time.monotonic()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert time.monotonic() - began < 0.6
        assert all(isinstance(answer, Unavailable) for answer in answers)
        with pytest.raises(Unavailable):
            await batcher.submit(asked[5])
        server.thaw.set()
    silence.clear()
    [outcome] = await batcher.submit(asked[6])
    assert await batcher.drain(5)
    assert [message async for message in Message.objects.values_list("pk", flat=True)] == [outcome.message_id]
    assert await sync_to_async(lambda: who.balance)() == Decimal(99)
    await sync_to_async(connections.close_all)()  # of its thread, which lives on


def test_who_gives_up_before_the_commit_has_sent_nothing():
    who, caller = cast.customer("100"), Caller()
    assert caller.give_up()
    [answer] = make_intake().submit_many([request(who, key="k")], caller=caller)
    assert isinstance(answer, Unavailable)
    assert not Message.objects.exists()
    assert who.balance == Decimal(100)
    accepted(make_intake().submit_many([request(who, key="k")])[0])  # the key is free again


def test_after_the_commit_was_sent_nobody_can_give_up():
    caller = Caller()
    caller.before_commit()
    assert not caller.give_up()
    caller.before_commit()  # a deadlock's second try
    gone = Caller()
    assert gone.give_up()
    with pytest.raises(Abandoned):
        gone.before_commit()
