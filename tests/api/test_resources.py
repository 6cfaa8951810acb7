"""Looking messages up, listing, following, calling back, reading the balance."""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest

from common.clock import utc_now
from messaging.models import Part, Status
from tests.api.lanes import ByDjango
from tests.api.sending import HELLO, MESSAGES, SEND, customer
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture
def django():
    return ByDjango()


def test_a_message_is_looked_up_with_what_a_customer_may_know(django):
    who = customer(rate="0.55")
    sent = who.post(django, MESSAGES, HELLO | {"from": "ME", "client_ref": "r", "tags": ["a"]}).json
    told = who.get(django, f"{MESSAGES}/{sent['message_id']}").json
    created = told.pop("created_at")
    assert abs(utc_now() - _moment(created)) < timedelta(minutes=1)
    assert told == {
        "ok": True, "message_id": sent["message_id"], "to": cast.NUMBER, "from": "ME", "content": "Hello",
        "encoding": "gsm7", "parts": 1, "status": "QUEUED", "error_code": "", "error": "",
        "traffic_class": "transactional", "client_ref": "r", "tags": ["a"], "price": "1.0000", "send_at": None,
        "done_at": None,
    }  # fmt: skip


def _moment(text):
    from datetime import datetime

    return datetime.fromisoformat(text)


def test_the_id_is_taken_with_and_without_queued_and_repeated_as_it_was_given(django):
    who = customer(client={"rate_limit": 1})
    ids = [who.post(django, SEND, HELLO).json["message_id"] for _ in range(3)]
    queued = ids[-1]
    assert queued.startswith("queued_")
    for spelling in (queued, queued.removeprefix("queued_")):
        told = who.get(django, f"{MESSAGES}/{spelling}").json
        assert told["message_id"] == queued and told["status"] == "SCHEDULED"
        assert who.get(django, f"{MESSAGES}/{spelling}/trace").json["message_id"] == queued
    bare = queued.removeprefix("queued_")
    cancelled = django.ask("DELETE", f"{MESSAGES}/{bare}", None, {"X-API-Key": who.key})
    assert (cancelled.status, cancelled.json["message_id"]) == (200, queued)
    at_once = django.ask("DELETE", f"{MESSAGES}/queued_{ids[0]}", None, {"X-API-Key": who.key})
    assert (at_once.status, at_once.json["message_id"]) == (200, ids[0])


@pytest.mark.parametrize(
    "strange", ["1", "queued_", "x" * 300, "..%2f..", "%00", "00000000-0000-0000-0000-000000000000"]
)
@pytest.mark.parametrize("rest", ["", "/trace"])
def test_an_id_that_is_none_is_404(django, strange, rest):
    who = customer()
    answer = who.get(django, f"{MESSAGES}/{strange}{rest}")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_a_list_is_read_page_by_page_from_the_newest(django):
    who = customer()
    who.post(django, MESSAGES, [HELLO | {"client_ref": str(i)} for i in range(5)])
    seen, cursor = [], ""
    while cursor is not None:
        page = who.get(django, f"{MESSAGES}?limit=2&cursor={cursor}").json
        assert len(page["messages"]) <= 2
        seen += [message["client_ref"] for message in page["messages"]]
        cursor = page["next_cursor"]
    assert seen == ["4", "3", "2", "1", "0"]


def test_a_list_is_narrowed(django):
    who = customer()
    who.post(django, MESSAGES, [
        HELLO | {"client_ref": "one", "tags": ["red"], "from": "ME"},
        HELLO | {"client_ref": "two", "to": "4915112345678"},
        HELLO | {"client_ref": "three", "send_at": (utc_now() + timedelta(hours=1)).isoformat()},
    ])  # fmt: skip

    def found(query):
        return {message["client_ref"] for message in who.get(django, f"{MESSAGES}?{query}").json["messages"]}

    assert found("to=%2B4915112345678") == found("to=004915112345678") == {"two"}
    assert found("from=ME") == found("tag=red") == found("client_ref=one") == {"one"}
    assert found("status=SCHEDULED") == {"three"} and found("status=queued") == {"one", "two"}
    assert found("status=DELIVRD") == set()
    now = utc_now()
    before, after = quote((now - timedelta(hours=1)).isoformat()), quote((now + timedelta(hours=1)).isoformat())
    assert found(f"created_after={before}&created_before={after}") == {"one", "two", "three"}
    assert found(f"created_before={before}") == set()
    assert found("created_after=0001-01-01T00:00:00Z") == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "invalid_value"),
        ("limit=501", "limit", "invalid_value"),
        ("limit=-1", "limit", "invalid_value"),
        ("limit=%D9%A3", "limit", "invalid_value"),
        ("cursor=x", "cursor", "invalid_value"),
        ("cursor=" + "A" * 22 + "%3D%3D%3D", "cursor", "invalid_value"),
        ("created_after=yesterday", "created_after", "invalid_value"),
        ("created_before=2027-01-31T09:00:00", "created_before", "invalid_value"),
        ("to=abc", "to", "invalid_number"),
        ("status=NONE", "status", "invalid_value"),
        ("client_ref=%00", "client_ref", "invalid_value"),
        ("tag=" + "x" * 201, "tag", "invalid_value"),
        ("sort=-price", "sort", "unknown_field"),
        ("account_id=1", "account_id", "unknown_field"),
        ("content__contains=x", "content__contains", "unknown_field"),
    ],
)
def test_a_filter_that_is_none_is_named(django, query, field, code):
    who = customer()
    answer = who.get(django, f"{MESSAGES}?{query}")
    assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (400, code, [field])


def test_a_message_is_followed(django):
    who = customer()
    sent = who.post(django, SEND, HELLO).json["message_id"]
    told = who.get(django, f"{MESSAGES}/{sent}/trace").json
    assert told["ok"] and told["message_id"] == sent
    assert [event["kind"] for event in told["events"]][:2] == ["accepted", "charged"]
    assert "cost" not in str(told["events"][0])


def test_a_waiting_message_is_called_back_and_refunded(django):
    who = customer()
    sent = who.post(django, SEND, HELLO | {"content": "x" * 161}).json["message_id"]
    assert who.cast.balance == Decimal(98)
    answer = django.ask("DELETE", f"{MESSAGES}/{sent}", None, {"X-API-Key": who.key})
    assert (answer.status, answer.json) == (200, {"ok": True, "message_id": sent, "status": "DELETED"})
    assert who.cast.balance == Decimal(100) and who.message.status == Status.CANCELLED
    again = django.ask("DELETE", f"{MESSAGES}/{sent}", None, {"X-API-Key": who.key})
    assert (again.status, again.json["code"]) == (409, "not_cancellable")
    assert who.cast.balance == Decimal(100)


def test_a_message_on_its_way_is_not_called_back(django):
    who = customer()
    sent = who.post(django, SEND, HELLO).json["message_id"]
    Part.objects.filter(message_id=sent).update(status=Status.SUBMITTING)
    answer = django.ask("DELETE", f"{MESSAGES}/{sent}", None, {"X-API-Key": who.key})
    assert (answer.status, answer.json["code"], who.cast.balance) == (409, "not_cancellable", Decimal(99))


def test_the_balance_is_read(django):
    who = customer("12.3456", credit_limit="5")
    assert who.get(django, "/api/v1/balance").json == {
        "ok": True, "balance": "12.3456", "currency": "CRD", "unlimited": False, "credit_limit": "5.0000",
    }  # fmt: skip


def test_resources_take_basic_and_url_credentials_too(django):
    import base64

    who = customer(client={"url_credentials": True})
    name = who.cast.client.username
    token = base64.b64encode(f"{name}:{cast.PASSWORD}".encode()).decode()
    assert django.ask("GET", "/api/v1/balance", None, {"Authorization": f"Basic {token}"}).status == 200
    assert django.ask("GET", f"/api/v1/balance?user={name}&password={cast.PASSWORD}").status == 200
    assert django.ask("GET", f"{MESSAGES}?user={name}&password={cast.PASSWORD}").status == 200


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/panel/api/nothing", "/api/v1/http-send/"])
def test_an_unknown_address_of_the_api_is_a_json_404(fast, path):
    answer = fast.ask("GET", path)
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_resources_come_through_the_dispatcher(fast):
    who = customer()
    sent = who.post(fast, SEND, HELLO).json["message_id"]
    assert who.get(fast, f"{MESSAGES}/{sent}").json["status"] == "QUEUED"
    assert [m["message_id"] for m in who.get(fast, MESSAGES).json["messages"]] == [sent]
    assert fast.ask("DELETE", f"{MESSAGES}/{sent}", None, {"X-API-Key": who.key}).status == 200
    assert fast.ask("PATCH", f"{MESSAGES}/{sent}", b"{}", {"X-API-Key": who.key}).status == 405
