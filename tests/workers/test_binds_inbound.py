"""What carriers send to us is answered only once it is committed; receipts and texts alike (reliability P7)."""

import threading

import pytest
from django.db import OperationalError

from inbound.models import InboundMessage
from messaging import receipts
from messaging.models import LineBatch
from tests.support.waiting import wait_until
from tests.workers.bind_cast import scene, state
from workers.binds import recorder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_a_text_is_committed_before_it_is_answered_and_then_kept_for_the_inbox():
    with scene() as found:
        found.smsc.send_mo("971507654321", "12345", "Hello € there")
        wait_until(lambda: found.smsc.counters["mo_acked"] == 1)
        assert LineBatch.objects.count() == 1
        found.until(InboundMessage.objects.count)
        text = InboundMessage.objects.get()
        assert (text.source, text.destination, text.content) == ("971507654321", "12345", "Hello € there")
        assert not LineBatch.objects.exists()


def test_parts_and_encodings_of_texts_are_kept_as_they_came():
    with scene() as found:
        found.smsc.send_mo("971507654321", "12345", "مرحبا")
        found.smsc.send_mo("971507654321", "12345", "y" * 200, order=(2, 1))
        found.until(lambda: InboundMessage.objects.count() == 3)
        arabic, second, first = InboundMessage.objects.order_by("id")
        assert (arabic.content, arabic.encoding) == ("مرحبا", "ucs2")
        assert (first.content + second.content, first.udh[-4:], second.udh[-4:]) == ("y" * 200, "0201", "0202")


def test_what_cannot_be_stored_is_refused_and_taken_when_the_carrier_sends_it_again(monkeypatch):
    monkeypatch.setattr(recorder, "RECEIPT_PATIENCE", 0.2)
    real, away = receipts.store, threading.Event()
    away.set()

    def store(*args):
        if away.is_set():
            raise OperationalError("the store is away")
        return real(*args)

    monkeypatch.setattr(receipts, "store", store)
    with scene(simulator={"receipt_retry_seconds": 0.2, "receipt_attempts": 50}) as found:
        sent = found.send()
        wait_until(lambda: found.smsc.counters["receipts_repeated"] >= 2)
        assert found.smsc.counters["receipts_acked"] == 0
        assert state(sent) == "SUBMITTED"
        away.clear()
        found.until_status(sent, "DELIVERED")
        wait_until(lambda: found.smsc.counters["receipts_acked"] == 1)


def test_a_text_that_was_not_answered_comes_again_after_the_link_broke(monkeypatch):
    real, slow = receipts.store, threading.Event()

    def store(*args):
        slow.wait(10)
        return real(*args)

    monkeypatch.setattr(receipts, "store", store)
    with scene(simulator={"receipt_retry_seconds": 0.2}) as found:
        found.smsc.send_mo("971507654321", "12345", "once")
        wait_until(lambda: found.smsc.counters["mo_sent"] == 1)
        found.smsc.disconnect("rst")
        wait_until(lambda: found.smsc.counters["binds"] >= 2)
        slow.set()
        wait_until(lambda: found.smsc.counters["mo_acked"] == 1)
        found.until(InboundMessage.objects.count)
        assert {text.content for text in InboundMessage.objects.all()} == {"once"}
