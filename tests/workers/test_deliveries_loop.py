"""The webhook loop on real sockets and the store of the suite: what it posts, how it takes faults, how it ends."""

import json
import threading
import time
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError
from standardwebhooks.webhooks import Webhook

from common.clock import utc_now
from common.ids import new_id
from common.models import ProcessLease
from messaging import webhooks
from messaging.due import Window
from messaging.models import Delivery, DeliveryAttempt
from tests.support.cast import customer
from tests.support.waiting import wait_until
from tests.support.web_sink import WebSink
from tests.support.webhooks import BODY, born, claim, due, loop_running, states
from workers.deliveries import loop as loops
from workers.deliveries import process
from workers.deliveries.loop import DeliveryLoop

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.both
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def sink():
    server = WebSink()
    yield server
    server.stop()


def at(sink, path):
    return f"http://127.0.0.1:{sink.port}{path}"


def done(ids, *wanted):
    return wait_until(lambda: states(ids) == set(wanted), timeout=30)


@both
def test_a_post_is_the_body_to_the_octet_with_headers_that_verify(sink):
    [key] = due(customer(client={"webhook_secret": SECRET}), at(sink, "/ok"))
    with loop_running() as loop:
        loop.hint([key])
        done([key], "DELIVERED")
    [(headers, body)] = sink.seen
    named = {name.lower(): value for name, value in headers.items()}
    assert body == BODY.encode()
    assert named["content-type"] == "application/json"
    assert named["webhook-id"] == str(key)
    assert named["user-agent"] == "GatewayBroker-Webhook/1"
    assert abs(int(named["webhook-timestamp"]) - time.time()) < 60
    assert Webhook(SECRET).verify(body, named) == json.loads(BODY)


def test_a_client_without_a_secret_is_posted_to_unsigned(sink):
    [key] = due(customer(client={"webhook_secret": ""}), at(sink, "/ok"))
    with loop_running():
        done([key], "DELIVERED")
    assert "webhook-signature" not in {name.lower() for name in sink.seen[0][0]}


def test_a_secret_that_cannot_sign_fails_its_delivery_and_no_other(sink):
    bad = due(customer(client={"webhook_secret": "whsec_!"}), at(sink, "/ok"))
    good = due(customer(), at(sink, "/ok"))
    with loop_running():
        done(good, "DELIVERED")
        wait_until(DeliveryAttempt.objects.exists)
    assert sink.hits["/ok"] == 1
    assert DeliveryAttempt.objects.get().delivery_id == bad[0]


@both
def test_every_try_has_the_same_id_and_octets_until_the_dead_letter(sink, settings, monkeypatch):
    settings.DELIVERY_SCHEDULE_SCALE = 0
    monkeypatch.setattr(loops, "POLL", 0.05)
    [key] = due(customer(client={"webhook_secret": SECRET}), at(sink, "/status/503"))
    with loop_running():
        done([key], "EXHAUSTED")
    assert sink.hits["/status/503"] == len(settings.DELIVERY_SCHEDULE_SECONDS) == 12
    assert {body for _, body in sink.seen} == {BODY.encode()}
    named = [{name.lower(): value for name, value in headers.items()} for headers, _ in sink.seen]
    assert {headers["webhook-id"] for headers in named} == {str(key)}
    for headers in named:
        Webhook(SECRET).verify(BODY, headers)
    assert DeliveryAttempt.objects.filter(error="HTTP 503", code=503).count() == 12


def test_any_2xx_is_taken(sink):
    ids = [key for status in (200, 201, 204, 299) for key in due(customer(), at(sink, f"/status/{status}"))]
    with loop_running():
        done(ids, "DELIVERED")
    assert not DeliveryAttempt.objects.exists()
    assert set(Delivery.objects.values_list("last_code", flat=True)) == {200, 201, 204, 299}


def test_anything_else_is_a_failure_that_is_tried_again_and_redirects_are_not_followed(sink):
    paths = {status: f"/status/{status}" for status in (400, 404, 429, 500)}
    paths |= {status: f"/redir?code={status}&to={at(sink, '/canary')}" for status in (301, 302, 307, 308)}
    cast = customer()
    ids = {status: due(cast, at(sink, path))[0] for status, path in paths.items()}
    with loop_running():
        wait_until(lambda: DeliveryAttempt.objects.count() == len(ids))
    for status, key in ids.items():
        row = Delivery.objects.get(pk=key)
        assert (row.state, row.tries, row.last_code, row.last_error) == ("PENDING", 1, status, f"HTTP {status}")
    assert not sink.hits["/canary"]


def test_a_410_stops_at_once(sink):
    [key] = due(customer(), at(sink, "/status/410"))
    with loop_running():
        done([key], "EXHAUSTED")
    assert sink.hits["/status/410"] == 1


def test_an_endpoint_that_does_not_answer_properly_is_a_failure_in_bounded_time(sink, monkeypatch):
    monkeypatch.setattr(loops, "TIMEOUT", 0.3)
    expected = {
        "hang": "timeout",
        "driphead": "timeout",
        "dripbody": "timeout",
        "reset": "protocol",
        "nonsense": "protocol",
    }
    cast = customer()
    ids = {due(cast, at(sink, f"/{temper}"))[0]: kind for temper, kind in expected.items()}
    with loop_running():
        wait_until(lambda: DeliveryAttempt.objects.count() == len(ids))
    attempts = DeliveryAttempt.objects.all()
    assert {attempt.delivery_id: attempt.error.split(":")[0] for attempt in attempts} == ids
    assert max(attempt.milliseconds for attempt in attempts) < 5000


def test_a_flood_of_an_answer_is_taken_by_its_status_and_cut(sink):
    [key] = due(customer(), at(sink, "/huge"))
    with loop_running():
        done([key], "DELIVERED")


def test_nobody_there_and_no_such_name_are_failures(sink):
    cast = customer()
    due(cast, "http://127.0.0.1:9/")
    due(cast, "http://does-not-exist.invalid/")
    with loop_running():
        wait_until(lambda: DeliveryAttempt.objects.count() == 2)
    assert {error.split(":")[0] for error in DeliveryAttempt.objects.values_list("error", flat=True)} == {
        "connect",
        "dns",
    }


def test_a_private_address_is_blocked_in_every_spelling_and_says_so(sink, settings):
    settings.OUTBOUND_HTTP_ALLOW = []
    hosts = ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0x7f000001", "2130706433", "169.254.169.254", "10.0.0.1")
    cast = customer()
    for host in hosts:
        due(cast, f"http://{host}:{sink.port}/canary")
    with loop_running():
        wait_until(lambda: DeliveryAttempt.objects.count() == len(hosts))
    assert all(error.startswith("blocked: ") for error in Delivery.objects.values_list("last_error", flat=True))
    assert not sink.connections


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
