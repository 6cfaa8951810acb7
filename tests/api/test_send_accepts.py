"""Every way to send, over both lanes: the documented answers, and the message that was meant."""

import base64
import json
from decimal import Decimal
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest

from connectors.models import Desired
from messaging.models import Part, Status
from tests.api.sending import HELLO, MESSAGES, PANEL, SEND, customer, settle
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def basic(username, password=cast.PASSWORD):
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}


@pytest.mark.parametrize("path", [SEND, PANEL])
def test_json_with_a_key_is_answered_in_exactly_the_documented_words(lane, path):
    who = customer()
    answer = who.post(lane, path, HELLO | {"from": "MYCOMPANY"})

    message = who.message
    assert answer.status == 200
    assert answer.body == b'{"ok":true,"message_id":"%s"}' % str(message.id).encode()
    assert (message.recipient, message.content, message.sender, message.status) == (
        cast.NUMBER, "Hello", "MYCOMPANY", Status.QUEUED,
    )  # fmt: skip
    assert message.dlr and message.source == "api" and message.api_client_id == who.cast.client.pk
    assert who.books == (1, 1, 0, Decimal(99))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"


def test_basic_credentials_send(lane):
    who = customer()
    answer = lane.ask("POST", SEND, json.dumps(HELLO).encode(), basic(who.cast.client.username))
    assert answer.status == 200 and answer.json["message_id"] == str(who.message.id)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_credentials_and_parameters_in_the_url_send_where_the_client_allows_it(lane, method):
    who = customer(client={"url_credentials": True})
    query = urlencode({
        "user": who.cast.client.username, "password": cast.PASSWORD, "to": "+" + cast.NUMBER, "content": "مرحبا",
        "from": "SENDER", "dr": "0",
    })  # fmt: skip
    answer = lane.ask(method, f"{SEND}?{query}")
    assert answer.status == 200, answer.body
    message = who.message
    assert (message.content, message.encoding, message.dlr, message.sender) == ("مرحبا", "ucs2", False, "SENDER")
    assert message.recipient == cast.NUMBER and message.recipient_given == "+" + cast.NUMBER


def test_an_unescaped_plus_is_a_space_and_the_number_is_understood(lane):
    who = customer()
    assert who.get(lane, f"{SEND}?to=+{cast.NUMBER}&content=a+b").status == 200
    assert who.message.content == "a b"


@pytest.mark.parametrize(
    ("coding", "encoding"), [("0", "gsm7"), (0, "gsm7"), ("8", "ucs2"), (8, "ucs2"), (None, "gsm7"), ("", "gsm7")]
)
def test_coding_is_taken_as_text_or_number(lane, coding, encoding):
    who = customer()
    assert who.post(lane, SEND, HELLO | {"coding": coding}).status == 200
    assert who.message.encoding == encoding


@pytest.mark.parametrize(("dr", "wanted"), [("1", True), (1, True), (True, True), ("0", False), (0, False)])
def test_dr_says_whether_a_report_is_wanted(lane, dr, wanted):
    who = customer()
    assert who.post(lane, SEND, HELLO | {"dr": dr}).status == 200
    assert who.message.dlr is wanted


def test_arabic_in_escapes_arrives_as_arabic(lane):
    who = customer()
    body = rb'{"to":"%s","content":"\u0645\u0631\u062d\u0628\u0627 \ud83d\ude00","coding":"8"}' % cast.NUMBER.encode()
    assert who.post(lane, SEND, body).status == 200
    assert who.message.content == "مرحبا 😀"


def test_a_number_without_quotes_and_unknown_fields_are_forgiven_on_the_documented_endpoint(lane):
    who = customer()
    assert who.post(lane, SEND, {"to": int(cast.NUMBER), "content": "x", "nonsense": [1]}).status == 200
    assert who.message.recipient == cast.NUMBER


def test_a_long_text_is_split_and_each_part_is_paid(lane):
    who = customer()
    assert who.post(lane, SEND, HELLO | {"content": "x" * 161}).status == 200
    assert who.message.parts == 2 and who.cast.balance == Decimal(98)


def test_over_the_rate_the_message_is_queued_under_an_id_that_says_so(lane):
    who = customer(client={"rate_limit": 1})
    bodies = [who.post(lane, SEND, HELLO) for _ in range(3)]
    late = bodies[-1]
    assert late.status == 200 and late.json["ok"] and late.json["queued"] is True
    assert list(late.json) == ["ok", "queued", "message_id"]
    UUID(late.json["message_id"].removeprefix("queued_"))
    assert late.headers["x-ratelimit-limit"] == "1"
    assert [m.status for m in who.messages][-1] == Status.SCHEDULED
    assert who.books[:2] == (3, 3)


def test_a_stopped_connector_takes_messages_that_wait(lane):
    who = customer()
    connector = who.cast.connector
    connector.desired = Desired.STOPPED
    connector.save()
    settle()
    assert who.post(lane, SEND, HELLO).status == 200
    assert who.message.status == Status.QUEUED


def test_one_message_of_the_resource_tells_parts_price_and_status(lane):
    who = customer()
    answer = who.post(lane, MESSAGES, HELLO | {
        "from": "MYCOMPANY", "client_ref": "r-1", "tags": ["a", "b"], "validity": 600, "traffic_class": "bulk",
        "dlr": False, "dlr_url": "https://example.com/dlr", "max_parts": 0, "tlvs": {"dlt_pe_id": "1"},
        "send_at": "2026-01-31T09:00:00Z",
    })  # fmt: skip
    message = who.message
    assert answer.status == 200, answer.body
    assert answer.json == {
        "ok": True, "message_id": str(message.id), "parts": 1, "price": "1.0000", "status": "QUEUED",
    }  # fmt: skip
    assert (message.client_ref, message.tags, message.lane, message.dlr) == ("r-1", ["a", "b"], "bulk", False)
    assert (message.dlr_url, message.tlvs) == ("https://example.com/dlr", {"dlt_pe_id": "1"})
    assert (message.expires_at - message.created_at).total_seconds() == 600


def test_binary_octets_with_a_header_are_taken(lane):
    who = customer()
    body = {"to": cast.NUMBER, "binary": "00ff10", "udh": "0605040b8423f0", "from": "1234"}
    assert who.post(lane, MESSAGES, body).status == 200
    assert (who.message.content, who.message.encoding, who.message.udh) == ("00ff10", "binary", "0605040b8423f0")


@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: {"messages": items}])
def test_many_messages_are_answered_in_order_and_the_good_ones_sent(lane, wrap):
    who = customer("2")
    items = [
        HELLO, {"to": "12", "content": "short"}, HELLO | {"contnt": 1}, 7, HELLO | {"client_ref": "fifth"},
        HELLO | {"client_ref": "no money left"},
    ]  # fmt: skip
    answer = who.post(lane, MESSAGES, wrap(items))
    told = answer.json
    assert (answer.status, told["ok"], told["accepted"], told["refused"]) == (200, True, 2, 4)
    assert [result["index"] for result in told["results"]] == list(range(6))
    assert [result.get("code") for result in told["results"]] == [
        None, "invalid_number", "unknown_field", "invalid_value", None, "no_credit",
    ]  # fmt: skip
    assert [str(m.id) for m in who.messages] == [told["results"][i]["message_id"] for i in (0, 4)]
    assert who.books == (2, 1, 0, Decimal(0))


def test_a_batch_of_which_nothing_can_be_sent_writes_nothing(lane):
    who = customer()
    before = who.books
    answer = who.post(lane, MESSAGES, [{"to": "1"}, {}])
    assert (answer.status, answer.json["accepted"], answer.json["refused"]) == (200, 0, 2)
    assert who.books == before


def test_a_thousand_messages_go_in_one_request(lane):
    who = customer("1000")
    answer = who.post(lane, MESSAGES, [HELLO | {"client_ref": str(i)} for i in range(1000)])
    assert answer.json["accepted"] == 1000
    assert len(who.messages) == 1000 and who.cast.balance == 0


@pytest.mark.parametrize("many", [False, True])
def test_a_dry_run_tells_the_price_and_writes_nothing(lane, many):
    who = customer("2")
    before = who.books
    long = HELLO | {"content": "x" * 161}
    body = {"messages": [long, HELLO], "dry_run": True} if many else long | {"dry_run": True}
    answer = who.post(lane, MESSAGES, body, Idempotency_Key="dry")
    told = answer.json
    assert answer.status == 200 and told["dry_run"] is True
    first = told["results"][0] if many else told
    assert (first["message_id"], first["parts"], first["price"]) == (None, 2, "2.0000")
    if many:
        assert told["results"][1]["code"] == "no_credit"
    assert who.books == before


def test_a_dry_run_that_would_be_refused_says_so(lane):
    who = customer("1")
    answer = who.post(lane, MESSAGES, HELLO | {"content": "x" * 161, "dry_run": True})
    assert (answer.status, answer.json["code"]) == (402, "no_credit")


def test_a_scheduled_message_waits(lane):
    who = customer()
    answer = who.post(lane, MESSAGES, HELLO | {"send_at": _in_an_hour()})
    assert answer.json["status"] == "SCHEDULED"
    assert Part.objects.get(message_id=who.message.id).status == Status.SCHEDULED


def _in_an_hour():
    from datetime import timedelta

    from common.clock import utc_now

    return (utc_now() + timedelta(hours=1)).isoformat()


def test_the_request_id_of_the_caller_is_kept_and_a_strange_one_is_replaced(lane):
    who = customer()
    assert who.post(lane, SEND, HELLO, X_Request_Id="abc-123").headers["x-request-id"] == "abc-123"
    drawn = who.post(lane, SEND, HELLO, X_Request_Id="a b").headers["x-request-id"]
    assert UUID(drawn)


def test_a_text_with_every_awkward_character_arrives_unchanged(lane):
    who = customer()
    text = "'; DROP TABLE x;-- \\ \t {} %s \u200f\u202e 😀 \r\n"
    assert who.get(lane, f"{SEND}?to={cast.NUMBER}&content={quote(text)}").status == 200
    assert who.message.content == text
