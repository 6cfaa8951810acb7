"""The webhook loop on the store of the suite: whom it serves, how it takes faults of the store, how it ends."""

import threading
import time
import uuid
from collections import Counter

import pytest
from django.db import OperationalError

from messaging import webhooks
from messaging.due import Window
from messaging.models import Delivery, DeliveryAttempt
from tests.support.cast import customer
from tests.support.waiting import wait_until
from tests.support.webhooks import claim, due, loop_running, states
from tests.workers.deliveries_cast import at, done
from workers.deliveries import loop as loops
from workers.deliveries import process
from workers.deliveries.loop import DeliveryLoop

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.both


@both
def test_what_was_hinted_before_the_loop_ran_is_not_lost(sink, monkeypatch):
    monkeypatch.setattr("messaging.due.scan", lambda **_: Window())
    ids = due(customer(), at(sink, "/ok"), 3)
    loop = DeliveryLoop()
    loop.hint(ids)
    with loop_running(loop):
        done(ids, "DELIVERED")


def test_without_any_hint_the_table_is_enough(sink):
    ids = due(customer(), at(sink, "/ok"), 700)
    with loop_running():
        done(ids, "DELIVERED")
    assert sink.hits["/ok"] == 700


def test_two_loops_post_each_delivery_once(sink):
    ids = due(customer(), at(sink, "/ok"), 300)
    with loop_running() as one, loop_running() as two:
        one.hint(ids)
        two.hint(ids)
        done(ids, "DELIVERED")
    assert sink.hits["/ok"] == 300
    posts = Counter(headers["webhook-id"] for headers, _ in sink.seen)
    assert max(posts.values()) == 1


def test_a_hanging_neighbour_delays_nobody(sink, monkeypatch):
    monkeypatch.setattr(loops, "TIMEOUT", 3.0)
    bad = due(customer(), at(sink, "/hang/{n}"), 300)
    good = due(customer(), at(sink, "/ok"), 100)
    with loop_running() as loop:
        loop.hint(bad)
        loop.hint(good)
        done(good, "DELIVERED")
        assert "DELIVERED" not in states(bad)
        assert sink.hits["/ok"] == 100
        sink.release.set()


@both
def test_results_that_the_store_did_not_take_are_kept(sink, monkeypatch):
    record, faults = webhooks.record, iter(range(2))

    def failing(batch):
        if next(faults, None) is not None:
            raise OperationalError("the store is away")
        record(batch)

    monkeypatch.setattr(webhooks, "record", failing)
    monkeypatch.setattr(loops, "AFTER_FAULT", 0.05)
    ids = due(customer(), at(sink, "/ok"), 5)
    with loop_running() as loop:
        loop.hint(ids)
        done(ids, "DELIVERED")
    assert sink.hits["/ok"] == 5
    assert set(Delivery.objects.values_list("tries", flat=True)) == {1}


def test_a_store_that_is_away_stops_no_loop(sink, monkeypatch):
    monkeypatch.setattr(loops, "AFTER_FAULT", 0.05)
    take, away = webhooks.claim, threading.Event()
    away.set()

    def failing(**arguments):
        if away.is_set():
            raise OperationalError("the store is away")
        return take(**arguments)

    monkeypatch.setattr(webhooks, "claim", failing)
    ids = due(customer(), at(sink, "/ok"), 5)
    with loop_running() as loop:
        loop.hint(ids)
        wait_until(lambda: not loop._hints)
        assert states(ids) == {"PENDING"}
        away.clear()
        done(ids, "DELIVERED")


@both
def test_a_loop_that_stops_ends_what_flies_and_gives_back_the_rest(sink):
    ids = due(customer(), at(sink, "/hang"), 8)
    with loop_running() as loop:
        loop.hint(ids)
        wait_until(lambda: sink.hits["/hang"] == 4)
        loop.stop()
        threading.Timer(0.3, sink.release.set).start()
    assert sink.hits["/hang"] == 4
    assert DeliveryAttempt.objects.count() == 4
    assert states(ids) == {"PENDING"}
    assert Delivery.objects.filter(tries=0).count() == 4
    assert not claim(list(DeliveryAttempt.objects.values_list("delivery_id", flat=True)))


def test_a_loop_that_was_stopped_before_it_ran_ends_at_once(sink):
    due(customer(), at(sink, "/ok"))
    loop = DeliveryLoop()
    loop.stop()
    with loop_running(loop):
        pass
    loop.hint([uuid.uuid4()])
    loop.stop()


def test_the_loop_of_the_process_starts_again_after_a_stop(sink):
    first, second = due(customer(), at(sink, "/ok"), 2)
    process.hand_over([first])
    done([first], "DELIVERED")
    process.stop()
    process.hand_over([second])
    done([second], "DELIVERED")
    process.stop()


def test_an_idle_loop_hardly_does_anything(monkeypatch):
    looks = []
    monkeypatch.setattr("messaging.due.scan", lambda **_: looks.append(1) or Window())
    with loop_running():
        wait_until(lambda: len(looks) >= 2)
        before, clock = time.process_time(), time.monotonic()
        wait_until(lambda: len(looks) >= 4)
        spent, passed = time.process_time() - before, time.monotonic() - clock
    assert spent < passed * 0.5  # waiting itself costs a little; a busy loop takes all of it
