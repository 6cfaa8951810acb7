"""What the webhook loop posts, on real sockets, and how it takes every kind of answer."""

import json
import time

import pytest
from standardwebhooks.webhooks import Webhook

from messaging.models import Delivery, DeliveryAttempt
from tests.support.cast import customer
from tests.support.waiting import wait_until
from tests.support.webhooks import BODY, due, loop_running
from tests.workers.deliveries_cast import at, done
from workers.deliveries import loop as loops

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.both
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


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
