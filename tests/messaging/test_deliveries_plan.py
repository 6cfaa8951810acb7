"""Who is told, where, and in which words: the body of S0-137 to the letter."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from common.ids import derive
from common.jobs import recorder
from messaging import deliveries, webhooks
from messaging.deliveries import Told, plan
from messaging.models import Delivery, Status
from messaging.rows import read_messages
from messaging.webhooks import DELIVER
from tests.messaging.underway import URL, accepted, bind, now, receipt_for, sent, told
from tests.support.cast import customer, forget_snapshots, make_endpoint, make_smpp_client
from tests.support.webhooks import claim

pytestmark = [pytest.mark.both, pytest.mark.django_db]
AT = datetime(2026, 4, 10, 12, 30, 0, 123456, UTC)


def end(cast, message, status=Status.DELIVERED, code="", at=AT, number=deliveries.FINAL):
    event = Told(
        message=read_messages([message.id])[message.id],
        status=status,
        error_code=code,
        connector_id=cast.connector.pk,
        at=at,
        number=number,
    )
    return plan([event], now=now())


def test_the_body_has_exactly_the_fields_of_the_document():
    cast = customer()
    message = accepted(cast, recipient_given="+971 50 123 4567")
    assert end(cast, message) == [derive(message.id, 1001)]
    delivery = Delivery.objects.get()
    assert delivery.body == (
        f'{{"message_id":"{message.id}","from":"GATEWAY","to":"+971 50 123 4567","msisdn":"971501234567",'
        f'"status":"DELIVRD","error_code":"000","connector":"{cast.connector.name}",'
        '"timestamp":"2026-04-10T12:30:00.123Z"}'
    )
    assert (delivery.kind, delivery.subject, delivery.state, delivery.tries) == ("dlr", message.id, "CLAIMED", 0)
    assert delivery.account_id == cast.account.pk


def test_the_id_that_the_customer_was_given_stays():
    cast = customer()
    message = accepted(cast, over_limit=True)
    end(cast, message)
    body = json.loads(Delivery.objects.get().body)
    assert (body["message_id"], body["to"]) == (f"queued_{message.id}", "971501234567")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (Status.UNDELIVERED, "011", ("UNDELIV", "011")),
        (Status.CANCELLED, "", ("UNDELIV", "000")),
        (Status.EXPIRED, "", ("EXPIRED", "000")),
        (Status.REJECTED, "0x0B", ("REJECTD", "0x0B")),
    ],
)
def test_states_and_errors_are_told_in_the_documents_words(status, code, expected):
    cast = customer()
    end(cast, accepted(cast), status, code)
    body = json.loads(Delivery.objects.get().body)
    assert (body["status"], body["error_code"]) == expected


def test_an_account_may_mask_the_connector():
    cast = customer(mask_connector=True)
    end(cast, accepted(cast))
    assert json.loads(Delivery.objects.get().body)["connector"] == "gateway"
    assert cast.connector.name not in Delivery.objects.get().body


def test_the_message_goes_before_the_client_and_the_client_before_the_account():
    cast = customer(client={"dlr_url": "https://client.example/"})
    endpoint = make_endpoint(cast.account, "https://account.example/")
    make_endpoint(cast.account, "https://inbound.example/", events=("mo",))
    for given, url in ((URL, URL), ("", "https://client.example/")):
        end(cast, accepted(cast, dlr_url=given))
        assert Delivery.objects.order_by("-id")[0].url == url
    type(cast.client).objects.update(dlr_url="")
    forget_snapshots()
    end(cast, accepted(cast, dlr_url=""))
    last = Delivery.objects.order_by("-id")[0]
    assert (last.url, last.endpoint_id) == ("https://account.example/", endpoint.pk)


def test_nobody_is_told_who_did_not_ask():
    cast = customer()
    assert end(cast, accepted(cast, dlr_url="")) == []
    assert end(cast, accepted(cast, dlr=False)) == []
    assert not Delivery.objects.exists()


def test_a_message_from_a_client_bind_is_told_there_and_the_webhook_loop_never_sees_it():
    cast = customer()
    client = make_smpp_client(cast.account)
    end(cast, accepted(cast, smpp_client=client, dlr_url=""))
    delivery = Delivery.objects.get()
    assert (delivery.smpp_client_id, delivery.url, delivery.next_try_at) == (client.pk, "", None)
    assert (delivery.state, delivery.token, delivery.lease_until) == ("PENDING", None, None)


def test_the_webhook_loop_hears_of_new_rows_after_the_commit(django_capture_on_commit_callbacks):
    cast = customer()
    message = accepted(cast)
    with recorder() as jobs, django_capture_on_commit_callbacks(execute=True):
        end(cast, message)
        assert jobs == []
    delivery = Delivery.objects.get()
    assert jobs == [(DELIVER, {"ids": [delivery.id.hex], "token": delivery.token})]


def test_a_new_row_is_claimed_for_its_hint_and_due_when_the_lease_ends():
    cast = customer()
    end(cast, accepted(cast))
    end(cast, accepted(cast))
    first, second = Delivery.objects.order_by("id")
    assert first.token != second.token
    for row in (first, second):
        assert (row.state, row.lease_until - row.created_at) == ("CLAIMED", timedelta(seconds=webhooks.BORN_LEASE))
        [born] = webhooks.born([(row.id, row.token)])
        assert 3 < born.seconds < webhooks.BORN_LEASE + 1
    assert webhooks.release_stale() == 0
    Delivery.objects.update(lease_until=now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 2
    assert [claimed.id for claimed in claim([second.id])] == [second.id]


def test_one_event_has_one_id_and_late_ones_have_their_own():
    cast = customer()
    message = accepted(cast)
    for number in (deliveries.UNDERWAY, deliveries.UNDERWAY, deliveries.FINAL, deliveries.LATE):
        end(cast, message, number=number)
    assert [found.id for found in told(message)] == [derive(message.id, 1000 + number) for number in (1, 2, 3)]


def test_the_time_told_is_that_of_the_receipt():
    cast = customer()
    line = bind(cast)
    message = sent(cast, line)
    before = now()
    line.hear(receipt_for(message))
    text = json.loads(told(message)[0].body)["timestamp"]
    moment = datetime.fromisoformat(text)
    assert text.endswith("Z")
    assert abs((moment - before).total_seconds()) < 5
