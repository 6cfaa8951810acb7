"""Deliveries that are born claimed: posted without a claim, and never lost with their process."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError

from common.clock import utc_now
from common.ids import new_id
from common.models import ProcessLease
from messaging import webhooks
from messaging.models import Delivery
from tests.support.cast import customer
from tests.support.waiting import wait_until
from tests.support.webhooks import born, loop_running, states
from tests.workers.deliveries_cast import at, done
from workers.deliveries import loop as loops

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.both


@both
def test_born_claimed_deliveries_are_posted_without_a_claim(sink, monkeypatch):
    monkeypatch.setattr(webhooks, "claim", lambda **_: pytest.fail("nothing was to be claimed"))
    ids = born(customer(), at(sink, "/ok"), 4, token=5)
    with loop_running() as loop:
        loop.hint(ids, 5)
        done(ids, "DELIVERED")
    assert sink.hits["/ok"] == 4


@both
def test_born_deliveries_without_room_or_time_are_given_back_and_posted_all_the_same(sink):
    cast = customer()
    crowd = born(cast, at(sink, "/ok"), 40, token=5)  # a new endpoint has room for eight
    late = born(cast, at(sink, "/ok/other"), 2, token=6, seconds=1)  # over before anybody could be told
    with loop_running() as loop:
        loop.hint(crowd, 5)
        loop.hint(late, 6)
        done(crowd + late, "DELIVERED")
    assert (sink.hits["/ok"], sink.hits["/ok/other"]) == (40, 2)


def test_a_lost_hint_costs_the_short_lease_and_neither_beat_nor_broker_is_needed(sink, monkeypatch):
    monkeypatch.setattr(loops, "RELEASE_EVERY", 0.1)
    lost = born(customer(), at(sink, "/ok"), 3, token=5, seconds=0.5)
    with loop_running():
        done(lost, "DELIVERED")
    assert sink.hits["/ok"] == 3


def test_a_slow_endpoint_is_not_posted_to_twice_although_the_lease_is_short(sink):
    ids = born(customer(), at(sink, "/late"), 8, token=5, seconds=4)  # four fly, four wait for them
    with loop_running() as loop:
        loop.hint(ids, 5)
        wait_until(lambda: [5] in ProcessLease.objects.values_list("holds", flat=True))
        Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=60))
        with loop_running():  # another process, which looks for ended leases
            assert webhooks.release_stale() == 0
            sink.release.set()
            done(ids, "DELIVERED")
    assert sink.hits["/late"] == 8
    assert not ProcessLease.objects.exists()


def test_what_a_dead_process_had_in_hand_flies_within_seconds(sink):
    ids = born(customer(), at(sink, "/ok"), 3, token=5, seconds=-1)
    webhooks.hold(new_id(), [5])  # its last sign of life
    began = time.monotonic()
    with loop_running():
        done(ids, "DELIVERED")
    assert webhooks.HOLD - 1 < time.monotonic() - began < webhooks.HOLD + 3


def test_hints_that_the_store_could_not_look_up_are_kept(sink, monkeypatch):
    monkeypatch.setattr(loops, "AFTER_FAULT", 0.05)
    look_up, faults = webhooks.born, iter(range(2))

    def failing(hinted):
        if next(faults, None) is not None:
            raise OperationalError("the store is away")
        return look_up(hinted)

    monkeypatch.setattr(webhooks, "born", failing)
    ids = born(customer(), at(sink, "/ok"), 3, token=5)
    with loop_running() as loop:
        loop.hint(ids, 5)
        done(ids, "DELIVERED")
    assert next(faults, None) is None


@both
def test_a_loop_that_stops_gives_back_what_was_born_for_it(sink):
    ids = born(customer(), at(sink, "/hang"), 8, token=5)
    with loop_running() as loop:
        loop.hint(ids, 5)
        wait_until(lambda: sink.hits["/hang"] == 4)
        loop.stop()
        loop.hint(born(customer(), at(sink, "/ok"), token=6), 6)  # too late to be posted
        threading.Timer(0.3, sink.release.set).start()
    assert states(ids) == {"PENDING"}
    assert Delivery.objects.filter(tries=0, state="PENDING").count() == 5
    assert sink.hits["/ok"] == 0


def test_floods_that_find_no_room_hold_up_nobody_behind_them(sink, monkeypatch):
    give_back, going_on = webhooks.give_back, threading.Event()

    def slowly(unsent):
        going_on.wait(30)
        return give_back(unsent)

    monkeypatch.setattr(webhooks, "give_back", slowly)
    with loop_running() as loop:
        for token in range(5, 5 + loops.FOLLOWERS * 2):
            loop.hint(born(customer(), at(sink, f"/hang/{token}"), 40, token=token, seconds=60), token)
            wait_until(lambda token=token: sink.hits[f"/hang/{token}"] == 4)
        good = born(customer(), at(sink, "/ok"), 3, token=99, seconds=60)
        loop.hint(good, 99)
        try:
            done(good, "DELIVERED")
        finally:
            going_on.set()
            sink.release.set()
