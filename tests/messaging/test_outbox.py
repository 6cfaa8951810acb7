"""Queues are told of every part at least once, whatever the broker does; the rows go when it has confirmed."""

import threading
import time
from datetime import timedelta

import pytest
from celery.signals import worker_process_shutdown, worker_shutdown
from django.conf import settings
from django.db import OperationalError, connection
from kombu import Connection

from common import bus, queues
from common.bus import Publisher
from common.clock import utc_now
from common.ids import new_id
from messaging import outbox
from messaging.intake import Intake
from messaging.models import OutboxBatch, Part
from messaging.outbox import Outbox, relay
from tests.support import cast
from tests.support.intake import PostBox, accepted, command, make_intake, request
from tests.support.outboxes import end_outboxes
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.both]


def age(seconds):
    OutboxBatch.objects.update(created_at=utc_now() - timedelta(seconds=seconds))


def told(box):
    return {part for _, body in box.letters for part in body["ids"]}


def test_parts_are_told_by_connector_and_lane_at_most_200_a_letter():
    who, box = cast.customer("1000", client={"otp_allowed": True}), PostBox()
    commands = [command(who, traffic_class=lane) for lane in ("bulk", "otp") for _ in range(250)]
    make_intake(box).submit_many([request(who, *commands)])
    base = queues.submit_queue(who.connector.name, "transactional")
    assert [(queue, len(body["ids"])) for queue, body in box.letters] == [
        (f"{base}.bulk", 200),
        (f"{base}.bulk", 50),
        (f"{base}.otp", 200),
        (f"{base}.otp", 50),
    ]
    assert told(box) == {part.hex for part in Part.objects.values_list("id", flat=True)}


def test_a_confirmed_row_is_deleted_by_the_next_batch_and_an_unconfirmed_one_stays():
    who, box = cast.customer("100"), PostBox()
    intake = make_intake(box)
    intake.submit_many([request(who)])
    intake.submit_many([request(who)])
    assert OutboxBatch.objects.count() == 2
    box.confirm()
    intake.submit_many([request(who)])
    assert OutboxBatch.objects.count() == 1


def test_a_confirmed_row_is_kept_in_mind_when_the_batch_that_should_delete_it_fails(monkeypatch):
    from messaging.intake import batch

    who, box = cast.customer("100"), PostBox()
    intake = make_intake(box)
    intake.submit_many([request(who)])
    box.confirm()
    with monkeypatch.context() as patch:
        patch.setattr(batch.rows, "insert", lambda *_: (_ for _ in ()).throw(ValueError("no")))
        patch.setattr("messaging.intake.rows.can_be_written", lambda *_: False)
        intake.submit_many([request(who)])
    assert OutboxBatch.objects.count() == 1
    intake.submit_many([request(who)])
    assert OutboxBatch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_confirmed_row_is_deleted_after_a_second_without_traffic():
    who, box = cast.customer("100"), PostBox(at_once=True)
    own = Outbox(lambda: box)
    Intake(own, make_intake()._pace).submit_many([request(who)])
    assert wait_until(lambda: not OutboxBatch.objects.exists(), timeout=5)
    wait_until(lambda: own._sweeper is None)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "outbox"]


@pytest.mark.django_db(transaction=True)
def test_at_the_end_of_a_process_what_is_confirmed_is_deleted_at_once():
    who, box = cast.customer("100"), PostBox(at_once=True)
    own = Outbox(lambda: box)
    Intake(own, make_intake()._pace).submit_many([request(who)])
    began = time.monotonic()
    own.close()
    assert not OutboxBatch.objects.exists() and not threads()
    assert time.monotonic() - began < outbox.IDLE


@pytest.mark.django_db(transaction=True)
def test_a_store_that_is_away_at_the_end_leaves_the_rows_to_the_relay(monkeypatch):
    who, box = cast.customer("100"), PostBox(at_once=True)
    own = Outbox(lambda: box)
    Intake(own, make_intake()._pace).submit_many([request(who)])
    monkeypatch.setattr(outbox, "delete", lambda *_: (_ for _ in ()).throw(OperationalError("away")))
    own.close()
    assert OutboxBatch.objects.count() == 1 and not threads()


@pytest.mark.django_db(transaction=True)
def test_what_commits_during_the_end_does_not_keep_it_from_ending_while_the_store_is_away(monkeypatch):
    who, box = cast.customer("100"), PostBox(at_once=True)
    own = Outbox(lambda: box)
    Intake(own, make_intake()._pace).submit_many([request(who)])

    def away(*_):
        own.publish([])  # somebody's on_commit, in the middle of the end
        raise OperationalError("away")

    monkeypatch.setattr(outbox, "delete", away)
    own.close()
    assert not threads() and own.take_confirmed() == []


@pytest.mark.django_db(transaction=True)
def test_a_store_that_hangs_holds_the_end_up_for_its_bound_only(monkeypatch):
    who, box = cast.customer("100"), PostBox(at_once=True)
    own, hanging, released = Outbox(lambda: box), threading.Event(), threading.Event()
    Intake(own, make_intake()._pace).submit_many([request(who)])

    def hang(*_):
        hanging.set()
        released.wait(60)
        return 0

    monkeypatch.setattr(outbox, "delete", hang)
    own.close(timeout=0.2)
    assert hanging.wait(10) and threads()  # it returned although the statement still runs
    released.set()
    assert wait_until(lambda: not threads(), timeout=5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ended", [worker_process_shutdown, worker_shutdown], ids=["a child", "a pool of threads"])
def test_a_celery_worker_that_ends_leaves_no_confirmed_rows_to_the_relay(ended):
    import gateway_project.celery  # noqa: F401 - it listens to the signals

    make_intake(PostBox(open=False)).submit_many([request(cast.customer("100"))])
    age(6)
    assert relay() == 1  # as the tick of a worker does, over the broker
    ended.send(sender=None)
    assert not OutboxBatch.objects.exists() and not threads()


@pytest.mark.django_db(transaction=True)
def test_what_is_confirmed_after_the_end_starts_nothing_and_the_next_batch_begins_anew():
    who, box = cast.customer("100"), PostBox()
    own = Outbox(lambda: box)
    intake = Intake(own, make_intake()._pace)
    intake.submit_many([request(who)])
    own.close(forget=True)
    box.confirm()
    assert not threads() and own.take_confirmed() == []
    intake.submit_many([request(who)])
    box.confirm()
    own.close()
    assert OutboxBatch.objects.count() == 1  # of the first batch: it was forgotten


def test_the_outboxes_of_a_test_end_with_it():
    who, box = cast.customer("100"), PostBox(at_once=True)
    own, shared = Outbox(lambda: box), outbox.shared_outbox
    Intake(own, make_intake()._pace).submit_many([request(who)])
    shared.publish([])
    shared._note(new_id())
    assert len(threads()) == 2
    end_outboxes()
    assert not threads() and not own.take_confirmed() and not shared.take_confirmed()


def test_a_broker_that_is_away_delays_and_does_not_refuse():
    who, box = cast.customer("100"), PostBox(open=False)
    accepted(make_intake(box).submit_many([request(who)])[0])
    assert relay(outbox=Outbox(lambda: box)) == 0  # too young
    age(6)
    box.open = True
    assert relay(outbox=Outbox(lambda: box)) == 1
    assert told(box) == {Part.objects.get().id.hex}


def test_a_relayed_row_is_deleted_when_confirmed_and_comes_up_again_when_not():
    who, box = cast.customer("100"), PostBox()
    make_intake(PostBox(open=False)).submit_many([request(who)])
    own = Outbox(lambda: box)
    age(6)
    assert relay(outbox=own) == 1
    assert relay(outbox=own) == 0  # it has its five seconds
    age(6)
    assert relay(outbox=own) == 1
    box.confirm()
    assert own.flush() == 1
    assert not OutboxBatch.objects.exists()


def test_a_relay_takes_so_many_rows_and_leaves_the_rest_to_the_next_turn():
    who, box = cast.customer("100"), PostBox()
    intake = make_intake(PostBox(open=False))
    for _ in range(3):
        intake.submit_many([request(who)])
    age(6)
    assert [relay(2, outbox=Outbox(lambda: box)) for _ in range(3)] == [2, 1, 0]


def test_rows_of_a_connector_that_is_gone_are_deleted():
    who, box = cast.customer("100"), PostBox()
    make_intake(box).submit_many([request(who)])
    OutboxBatch.objects.update(connector_id=999_999)
    age(6)
    assert relay(outbox=Outbox(lambda: box)) == 0
    assert not OutboxBatch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_process_holds_does_not_stop_a_batch():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row locks")
    who, box = cast.customer("100"), PostBox()
    intake = make_intake(box)
    intake.submit_many([request(who)])
    box.confirm()
    held, release = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold_outbox, args=(held, release))
    holder.start()
    try:
        assert held.wait(10)
        accepted(intake.submit_many([request(who)])[0])
    finally:
        release.set()
        holder.join()


def _hold_outbox(held, release):
    from django.db import transaction

    try:
        with transaction.atomic():
            list(OutboxBatch.objects.select_for_update())
            held.set()
            release.wait(10)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_real_broker_hears_of_the_parts():
    who = cast.customer("100")
    own = Outbox()
    done = accepted(Intake(own, make_intake()._pace).submit_many([request(who)])[0])
    name = queues.submit_queue(who.connector.name, "transactional")
    try:
        assert wait_until(lambda: not OutboxBatch.objects.exists(), timeout=8)
        wait_until(lambda: own._sweeper is None)
        with Connection(settings.BROKER_URL, transport_options=bus.transport_options(settings.BROKER_URL)) as broker:
            queue = bus.durable_queue(name)(broker.channel())
            body = queue.get(no_ack=True).payload
            queue.delete()
        assert body == {"ids": [Part.objects.get(message=done.message_id).id.hex]}
    finally:
        bus.close()


@pytest.mark.django_db(transaction=True)
def test_with_the_real_publisher_and_no_broker_the_row_stays_for_the_relay():
    if connection.vendor != "postgresql":
        pytest.skip("the in-memory broker is never away")
    who, publisher = cast.customer("100"), Publisher("amqp://guest:guest@127.0.0.1:1//")
    try:
        accepted(Intake(Outbox(lambda: publisher), make_intake()._pace).submit_many([request(who)])[0])
        assert OutboxBatch.objects.count() == 1
        assert outbox.RELAY_AFTER == bus.PATIENCE  # the relay takes over when the publisher gives up
    finally:
        publisher.close()
