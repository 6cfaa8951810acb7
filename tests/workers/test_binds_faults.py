"""Stores that go away, hints that are lost or wrong, settings that change: nothing is lost and nothing sent twice."""

import asyncio
import threading

import pytest
from django.db import OperationalError

from common import bus
from common.ids import derive
from common.queues import Lane, submit_queue
from connectors.models import BindState
from messaging import claims, outcomes
from messaging.models import Part
from routing.models import RouteConnector
from tests.support.cast import forget_snapshots, make_connector
from tests.support.waiting import wait_until
from tests.workers.bind_cast import NUMBER, carrier, delete_queues, message, on_line, part, scene, state
from workers.binds import background
from workers.embedded import Binds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def numbered(count):
    return [{"to": f"97150{n:07d}", "content": f"marker {n}"} for n in range(count)]


def all_are(status):
    return not Part.objects.exclude(status=status).exists()


def test_rows_that_waited_go_out_when_the_bind_comes_up_although_no_hint_is_left():
    with carrier() as smsc, on_line(smsc, bound=False, desired="stopped") as found:
        found.send_all(numbered(120))
        bus.close()
        delete_queues(found.line.name)
        assert found.binds.bound() == 0
        found.change(desired="started")
        found.until(lambda: all_are("DELIVERED"))
        assert len(set(found.texts)) == len(found.texts) == 120


def test_rows_without_a_hint_are_found_in_the_table_within_seconds(monkeypatch):
    with scene() as found:
        first = found.send()
        found.until_status(first, "DELIVERED")
        monkeypatch.setattr(bus.Publisher, "publish", lambda *_, **__: True)
        second = found.send(content="no hint")
        found.until_status(second, "DELIVERED", timeout=8)


def test_a_stopped_connector_lets_its_messages_wait_until_it_is_started():
    with scene() as found:
        found.change(desired="stopped")
        wait_until(lambda: not found.binds.bound(), timeout=5)
        sent = found.send()
        wait_until(lambda: BindState.objects.filter(state="stopped").exists())
        assert state(sent) == "QUEUED"
        found.change(desired="started")
        found.until_status(sent, "DELIVERED")


def test_new_rates_and_windows_restart_the_binds_but_a_new_price_does_not():
    with scene() as found:
        before = found.smsc.counters["binds"]
        found.line.profile.cost_per_message = "0.5"
        found.line.profile.save()
        forget_snapshots()
        found.until_status(found.send(), "DELIVERED")
        wait_until(lambda: service_view(found).cost == 0)
        assert found.smsc.counters["binds"] == before
        found.change(window=7, tps=500)
        wait_until(lambda: found.smsc.counters["binds"] == before + 1, timeout=5)
        wait_until(found.binds.bound)
        assert service_view(found).window == 7
        found.until_status(found.send(content="again"), "DELIVERED")


def service_view(found):
    [runner] = wait_until(found.binds._service._runners.values)
    return runner.view


def test_a_rate_limit_is_kept():
    with scene(tps=40, simulator={"delay_ms": 60_000}) as found:
        found.send_all(numbered(60))
        wait_until(lambda: found.smsc.counters["submits"] == 60, timeout=20)
        times = sorted(m.at for m in found.smsc.messages)
        assert 1.2 < times[-1] - times[0] < 12  # 60 messages at 40 a second, behind a burst of 50 ms


def test_results_are_kept_while_the_store_is_away(monkeypatch):
    real, away = outcomes.record, threading.Event()
    away.set()

    def record(**batch):
        if away.is_set():
            raise OperationalError("the store is away")
        real(**batch)

    monkeypatch.setattr(outcomes, "record", record)
    with scene() as found:
        sent = found.send()
        wait_until(lambda: found.texts)
        assert state(sent) == "SUBMITTING"
        away.clear()
        found.until_status(sent, "DELIVERED")
        assert len(found.texts) == 1


def test_a_claim_whose_commit_was_not_heard_is_found_again(monkeypatch):
    real, deaf = claims.claim, [True]

    def claim(**wanted):
        parts = real(**wanted)
        if parts and deaf.pop() if deaf else False:
            raise OperationalError("the line broke after COMMIT")
        return parts

    monkeypatch.setattr(claims, "claim", claim)
    with scene() as found:
        sent = found.send()
        settled = found.until_status(sent, "DELIVERED")
        assert not settled.possible_duplicate
        assert deaf == []
        assert len(found.texts) == 1


def test_a_hint_that_comes_again_after_a_new_route_is_sent_by_nobody_twice():
    with carrier() as second, scene(simulator={"refuse_every": "1:0x0A"}) as found:
        other = make_connector(port=second.port, window=10)
        RouteConnector.objects.create(route=found.cast.profile.routes.get(), connector=other, position=1)
        forget_snapshots()
        sent = found.send()
        found.until_status(sent, "DELIVERED")
        for name in (found.line.name, other.name):
            for _ in range(2):
                stale = {"ids": [derive(sent, 1).hex]}
                bus.publisher().publish(submit_queue(name, Lane.TRANSACTIONAL), stale)
        marker = found.send(content="marker")
        found.until_status(marker, "DELIVERED")
        assert [m.text for m in second.messages] == ["Hello", "marker"]
        assert part(sent).connector_id == other.pk
        delete_queues(other.name)


def test_otp_does_not_wait_behind_a_campaign_that_the_carrier_slows_down():
    with scene(window=5, simulator={"throttle_rate": 5}) as found:
        found.send_all([{**one, "traffic_class": "bulk"} for one in numbered(60)])
        wait_until(lambda: found.smsc.counters["answers"].get("ESME_RTHROTTLED"), timeout=5)
        found.smsc.configure(throttle_rate=0)
        code = found.send(content="code 1234", traffic_class="otp")
        found.until_status(code, "DELIVERED", timeout=5)
        assert Part.objects.filter(status="QUEUED", lane="bulk").exists()


def test_a_background_task_that_fails_starts_again(monkeypatch):
    monkeypatch.setattr(background, "PAUSE", 0.01)
    runs = []

    async def work():
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("unexpected")

    async def check():
        await background.lasting(work, "test")

    asyncio.run(check())
    assert len(runs) == 3


def test_a_refused_bind_is_reported_and_tried_again_slowly():
    with carrier(credentials={"gateway": "another"}) as smsc, on_line(smsc, bound=False) as found:
        wait_until(lambda: smsc.counters["refused_binds"] >= 3, timeout=10)
        wait_until(lambda: BindState.objects.filter(state="refused").exists(), timeout=8)
        told = BindState.objects.get()
        assert "ESME_RINVPASWD" in told.last_error
        assert told.next_try_at is not None
        assert smsc.counters["refused_binds"] == 3
        assert found.binds.bound() == 0


def test_several_binds_share_the_work_and_send_everything_once():
    with scene(binds=3, window=5, simulator={"answer_ms": 5}) as found:
        found.send_all(numbered(200))
        found.until(lambda: all_are("DELIVERED"))
        assert len(set(found.texts)) == len(found.texts) == 200
        assert len({m.session for m in found.smsc.messages}) == 3
        assert set(Part.objects.values_list("bind_no", flat=True)) == {1, 2, 3}


def test_a_receiver_claims_nothing_and_hears_receipts():
    with carrier(receipt_system_id="ears") as smsc:
        ears = make_connector(port=smsc.port, bind_mode="receiver", system_id="ears", carrier_account="one")
        with on_line(smsc, bound=False, bind_mode="transmitter", carrier_account="one") as found:
            wait_until(lambda: found.binds.bound() == 2)
            sent = found.send(to=NUMBER)
            found.until_status(sent, "DELIVERED")
            assert message(sent).connector_id == found.line.pk
            assert part(sent).bind_no == 1
            assert BindState.objects.filter(connector=ears, submitted__gt=0).count() == 0
        delete_queues(ears.name)


def test_a_second_worker_beside_the_first_takes_no_hints_away_from_it():
    with scene() as found:
        again = Binds()
        again.start()
        sent = [found.send(content=f"m{n}") for n in range(20)]
        found.until(lambda: all(state(one) == "DELIVERED" for one in sent))
        again.stop()
        assert sorted(found.texts) == sorted(f"m{n}" for n in range(20))
