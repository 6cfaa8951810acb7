"""Sweeps: what is due and nothing else, as often and on as many hosts as one likes."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from common.ids import derive, floor_at
from messaging import rows, sweep, traffic
from messaging.models import IdempotencyKey, Message, OutboxBatch, Part, Status, TrafficCount
from tests.messaging.underway import accepted, bind, now, part_of, past, sent, shown, state_of, told
from tests.support.cast import customer

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


def test_scheduled_parts_are_put_in_line_at_their_date_and_not_before(cast):
    due = accepted(cast, status=Status.SCHEDULED, send_at=past(), parts=2)
    later = accepted(cast, status=Status.SCHEDULED, send_at=now() + timedelta(minutes=1))
    assert sweep.dispatch_due() == 2
    assert sweep.dispatch_due() == 0
    assert [state_of(due, 1), state_of(due, 2), state_of(later)] == [Status.QUEUED, Status.QUEUED, Status.SCHEDULED]
    assert sorted(OutboxBatch.objects.get().parts.split(",")) == [part_of(due, seq).id.hex for seq in (1, 2)]


def test_what_is_over_is_not_put_in_line(cast):
    message = accepted(cast, status=Status.SCHEDULED, send_at=past(), expires_at=past())
    assert sweep.dispatch_due() == 0
    assert state_of(message) == Status.SCHEDULED


@pytest.mark.parametrize("before", [Status.SCHEDULED, Status.QUEUED])
def test_unsent_parts_expire_with_a_refund_and_one_callback(cast, before):
    message = accepted(cast, status=before, expires_at=past(), parts=2, send_at=now() + timedelta(days=1))
    alive = accepted(cast)
    assert cast.balance == 97
    assert sweep.expire_due() == 2
    assert sweep.expire_due() == 0
    assert (shown(message).status, state_of(message, 2), state_of(alive)) == (
        Status.EXPIRED,
        Status.EXPIRED,
        Status.QUEUED,
    )
    assert cast.balance == 99
    assert ['"status":"EXPIRED"' in found.body for found in told(message)] == [True]


def test_parts_on_their_way_do_not_expire(cast):
    line = bind(cast)
    message = accepted(cast)
    line.claim()
    Part.objects.update(expires_at=past())
    assert sweep.expire_due() == 0
    assert state_of(message) == Status.SUBMITTING
    assert cast.balance == 99


def test_silence_ends_72_hours_after_the_validity(cast):
    line = bind(cast)
    old, young = sent(cast, line), sent(cast, line)
    Part.objects.filter(id=part_of(old).id).update(expires_at=now() - timedelta(hours=72, seconds=1))
    Part.objects.filter(id=part_of(young).id).update(expires_at=now() - timedelta(hours=71))
    assert sweep.close_unreceipted() == 1
    assert [shown(old).status, state_of(young)] == [Status.UNKNOWN, Status.SUBMITTED]
    assert cast.balance == 98


def test_without_a_validity_silence_ends_after_ten_days(cast):
    line = bind(cast)
    message = sent(cast, line, expires_at=None)
    assert sweep.close_unreceipted() == 0
    key = floor_at(now() - timedelta(days=10, minutes=1))
    Message.objects.filter(id=message.id).update(id=key)
    Part.objects.filter(message_id=message.id).update(id=derive(key, 1), message_id=key)
    assert sweep.close_unreceipted() == 0  # it was scheduled: sent just now
    Part.objects.update(submitted_at=now() - timedelta(days=10, minutes=1))
    assert sweep.close_unreceipted() == 1
    assert Part.objects.get().status == Status.UNKNOWN


def test_passes_go_on_until_everything_is_done(cast, monkeypatch):
    monkeypatch.setattr(sweep, "PASS", 3)
    for _ in range(8):
        accepted(cast, status=Status.SCHEDULED, send_at=past())
    assert sweep.dispatch_due() == 8


@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_do_each_piece_of_work_once():
    cast = customer(credits="1000")
    for _ in range(40):
        accepted(cast, expires_at=past(), parts=2)
    done, start = [], threading.Barrier(3)

    def work():
        try:
            start.wait()
            done.append(sweep.expire_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.append(sweep.expire_due())
    assert sum(done) == 80
    assert cast.balance == 1000


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_a_sweep_passes_over_what_somebody_holds():
    cast = customer()
    held, free = (accepted(cast, expires_at=past()) for _ in range(2))
    holding, finish = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                rows.lock([part_of(held).id])
                holding.set()
                finish.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    assert sweep.expire_due() == 1
    finish.set()
    thread.join()
    assert [state_of(held), state_of(free)] == [Status.QUEUED, Status.EXPIRED]
    assert sweep.expire_due() == 1


def test_old_idempotency_keys_go_and_young_ones_stay(cast):
    for hours in (23, 25):
        IdempotencyKey.objects.create(
            account=cast.account,
            key=str(hours),
            request_hash="",
            response="",
            created_at=now() - timedelta(hours=hours),
        )
    assert sweep.purge() == 1
    assert IdempotencyKey.objects.get().key == "23"


def test_traffic_deltas_become_one_row_a_key_with_the_same_sums(cast):
    hour = now().replace(minute=0, second=0, microsecond=0)
    for measure, amount in [("accepted", "1.5"), ("accepted", "2.25"), ("DELIVERED", "1"), ("accepted", "-1")]:
        traffic.add(
            [
                traffic.Tally(
                    at=hour + timedelta(minutes=7),
                    account_id=cast.account.pk,
                    connector_id=None,
                    measure=measure,
                    amount=Decimal(amount),
                )
            ]
        )
    assert sweep.squash_traffic() == 2
    assert sweep.squash_traffic() == 0
    found = {row.measure: (row.hour, row.messages, row.amount) for row in TrafficCount.objects.all()}
    assert found == {"accepted": (hour, 3, Decimal("2.75")), "DELIVERED": (hour, 1, Decimal(1))}


def test_a_tally_of_one_batch_is_one_row(cast):
    moment = now()
    tally = traffic.Tally(at=moment, account_id=cast.account.pk, connector_id=None, measure="accepted", parts=2)
    traffic.add([tally] * 5)
    row = TrafficCount.objects.get()
    assert (row.messages, row.parts) == (5, 10)
