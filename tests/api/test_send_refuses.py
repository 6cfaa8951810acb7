"""Everything that is refused, over both lanes: the documented words, and nothing written, nothing charged."""

import base64
import json
from urllib.parse import urlencode

import pytest

from routing.models import SenderId
from tests.api.sending import HELLO, MESSAGES, PANEL, SEND, customer, settle
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]
MISSING = "to and content required"


@pytest.fixture(scope="module")
def who(database):
    """One customer for all that is refused: nothing may change for him."""
    return customer()


def assert_refused(who, before, answer, status, error=None):
    assert (answer.status, who.books) == (status, before), answer.body
    assert answer.json["ok"] is False
    assert list(answer.json) == ["ok", "error"], "the documented endpoints answer with two keys"
    if error is not None:
        assert answer.json["error"] == error


BAD_BODIES = {
    "no to": ({"content": "x"}, MISSING),
    "no content": ({"to": cast.NUMBER}, MISSING),
    "empty to": ({"to": " ", "content": "x"}, MISSING),
    "empty content": ({"to": cast.NUMBER, "content": ""}, MISSING),
    "null": ({"to": None, "content": None}, MISSING),
    "nothing": ({}, MISSING),
    "a list": ([], None),
    "a text": ("x", None),
    "not JSON": (b"{to:1}", "Invalid JSON"),
    "half JSON": (b'{"to":"1', "Invalid JSON"),
    "no body": (b"", "Invalid JSON"),
    "not UTF-8": (b'{"to":"\xff\xfe","content":"x"}', "Invalid JSON"),
    "NaN": (b'{"to":"1","content":"x","dr":NaN}', "Invalid JSON"),
    "Infinity": (b'{"to":"1","content":"x","dr":-Infinity}', "Invalid JSON"),
    "a deep nest": (b"[" * 100_000 + b"]" * 100_000, "Invalid JSON"),
    "a huge number": (b'{"to":' + b"9" * 5_000 + b',"content":"x"}', "Invalid JSON"),
    "a long number as number": (b'{"to":' + b"9" * 25 + b',"content":"x"}', "to must be a text"),
    "content a number": ({"to": cast.NUMBER, "content": 1}, "content must be a text"),
    "to a list": ({"to": [cast.NUMBER], "content": "x"}, "to must be a text"),
    "to true": ({"to": True, "content": "x"}, "to must be a text"),
    "from an object": (HELLO | {"from": {}}, "from must be a text"),
    "letters in the number": (HELLO | {"to": "97150123456X"}, "Invalid destination number"),
    "too short": (HELLO | {"to": "97150"}, "Invalid destination number"),
    "too long": (HELLO | {"to": "9" * 16}, "Invalid destination number"),
    "much too long": (HELLO | {"to": "9" * 10_000}, "Invalid destination number"),
    "national": (HELLO | {"to": "0501234567"}, "Invalid destination number"),
    "sender over 11": (HELLO | {"from": "TWELVECHARSX"}, "Invalid sender"),
    "sender of control characters": (HELLO | {"from": "A\r\nB"}, "Invalid sender"),
    "too many parts": (HELLO | {"content": "x" * 153 * 10 + "y"}, "The message needs 11 parts; at most 10 allowed"),
    "coding 4": (HELLO | {"coding": "4"}, 'coding must be "0" (GSM 7-bit) or "8" (UCS-2)'),
    "coding true": (HELLO | {"coding": True}, None),
    "coding a list": (HELLO | {"coding": []}, None),
    "dr 2": (HELLO | {"dr": 2}, "dr must be 1 or 0"),
    "Arabic as GSM": (HELLO | {"content": "مرحبا", "coding": "0"}, None),
    "U+0000": (HELLO | {"content": "a\x00b"}, None),
    "U+0000 in to": (HELLO | {"to": cast.NUMBER + "\x00"}, None),
    "a lone surrogate": (b'{"to":"%s","content":"\\ud83d"}' % cast.NUMBER.encode(), None),
    "a lone surrogate as sender": (b'{"to":"%s","content":"x","from":"\\udc00"}' % cast.NUMBER.encode(), None),
}


@pytest.mark.parametrize("path", [SEND, PANEL])
@pytest.mark.parametrize(("body", "error"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_400_and_changes_nothing(lane, who, path, body, error):
    before = who.books
    assert_refused(who, before, who.post(lane, path, body), 400, error)


@pytest.mark.parametrize(("body", "error"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_the_resource_refuses_the_same_with_a_code_and_the_request_id(lane, who, body, error):
    before = who.books
    answer = who.post(lane, MESSAGES, body, X_Request_Id="r-1")
    if body in ({**HELLO, "dr": 2},):  # no field of the resource at all
        assert answer.json["code"] == "unknown_field"
    assert answer.status == 400 and who.books == before, answer.body
    assert list(answer.json) == ["ok", "error", "code", "request_id", "fields"]
    assert answer.json["request_id"] == "r-1" == answer.headers["x-request-id"]


BAD_FIELDS = {
    "contnt": ("x", "unknown_field"),
    "messages": ("x", "unknown_field"),
    "send_at": ("tomorrow", "invalid_value"),
    "send_at ": ("2027-01-31T09:00:00Z", "unknown_field"),
    "validity": (-1, "invalid_value"),
    "validity#": (1.5, "invalid_value"),
    "validity##": (10**30, "invalid_value"),
    "validity###": (8 * 86_400, "invalid_value"),
    "max_parts": ("3", "invalid_value"),
    "traffic_class": ("fast", "invalid_value"),
    "traffic_class#": ("otp", "forbidden"),
    "dlr": ("yes", "invalid_value"),
    "flash": (1, "invalid_value"),
    "udh": ("0g", "invalid_value"),
    "udh#": ("05 00", "invalid_value"),
    "binary": ("00", "invalid_value"),
    "tags": ("a", "invalid_value"),
    "tags#": ([1], "invalid_value"),
    "tags##": (["a"] * 11, "invalid_value"),
    "tlvs": ([], "invalid_value"),
    "tlvs#": ({"x": True}, "invalid_value"),
    "client_ref": ("x" * 101, "invalid_value"),
    "client_ref#": (5, "invalid_value"),
    "dry_run": ("yes", "invalid_value"),
    "dlr_url": ("http://10.0.0.1/", "invalid_url"),
    "dlr_url#": ("http://169.254.169.254/latest/meta-data", "invalid_url"),
    "dlr_url##": ("ftp://example.com/", "invalid_url"),
    "dlr_url###": ("http://[::1]/", "invalid_url"),
}


@pytest.mark.parametrize(("name", "given", "code"), [(name, *rest) for name, rest in BAD_FIELDS.items()])
def test_a_bad_field_is_named(lane, who, name, given, code):
    before = who.books
    field = name.rstrip("#")
    if field == "messages":
        answer = who.post(lane, MESSAGES, {"messages": [HELLO], "contnt": given})
        field = "contnt"
    else:
        answer = who.post(lane, MESSAGES, HELLO | {field: given})
    assert answer.json["code"] == code and who.books == before, answer.body
    assert answer.status == (403 if code == "forbidden" else 400)
    assert field in answer.json["fields"]


@pytest.mark.parametrize("send_at", ["2126-01-31T09:00:00Z", "2027-01-31T09:00:00", "9999-12-31T23:59:59-23:59"])
def test_a_moment_too_far_ahead_or_without_offset_is_refused(lane, who, send_at):
    before = who.books
    answer = who.post(lane, MESSAGES, HELLO | {"send_at": send_at})
    assert (answer.status, list(answer.json["fields"]), who.books) == (400, ["send_at"], before)


@pytest.mark.parametrize("path", [SEND, MESSAGES])
def test_more_octets_than_the_limit_are_413(lane, who, path):
    before = who.books
    size = 1024 * 1024 if path == SEND else 17 * 1024 * 1024
    body = b'{"to":"971501234567","content":"' + b"x" * size + b'"}'
    answer = who.post(lane, path, body)
    assert (answer.status, who.books) == (413, before)


def test_more_than_ten_thousand_messages_are_413_and_none_is_a_mistake(lane, who):
    before = who.books
    assert who.post(lane, MESSAGES, [HELLO] * 10_001).status == 413
    assert who.post(lane, MESSAGES, []).status == 400
    assert who.post(lane, MESSAGES, {"messages": {}}).status == 400
    assert who.books == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_is_415(lane, who, headers):
    before = who.books
    body = json.dumps(HELLO).encode()
    given = {"Content-Type": "application/json", "X-API-Key": who.key} | headers
    assert_refused(who, before, lane.ask("POST", SEND, body, given), 415)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", [SEND, PANEL])
def test_another_method_is_405_and_the_right_ones_are_named(lane, method, path):
    answer = lane.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


def test_the_methods_of_the_resource_are_its_own(fast):
    answer = fast.ask("PUT", MESSAGES, b"{}", {"X-API-Key": customer().key})
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


# -- credentials


def basic(text: bytes):
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


@pytest.mark.parametrize("path", [SEND, PANEL, MESSAGES])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "httpapi_wrong"},
        basic(b"nobody:nothing"),
        basic(b"no colon"),
        basic(b"\xff:\xff"),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer token"},
        {"Authorization": "Basic"},
    ],
    ids=str,
)
def test_wrong_credentials_are_401_in_the_same_words(lane, path, headers):
    answer = lane.ask("POST", path, json.dumps(HELLO).encode(), {"Content-Type": "application/json", **headers})
    assert (answer.status, answer.json["ok"], answer.json["error"]) == (401, False, "Invalid credentials")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    if path != MESSAGES:
        assert answer.body == b'{"ok":false,"error":"Invalid credentials"}'


def test_a_wrong_password_is_401(lane, who):
    before = who.books
    headers = basic(f"{who.cast.client.username}:wrong".encode())
    assert_refused(who, before, lane.ask("GET", f"{SEND}?to=1&content=x", None, headers), 401, "Invalid credentials")


def test_credentials_in_the_url_are_wrong_where_the_client_does_not_allow_them(lane, who):
    before = who.books
    query = urlencode({"user": who.cast.client.username, "password": cast.PASSWORD, **HELLO})
    assert_refused(who, before, lane.ask("GET", f"{SEND}?{query}"), 401, "Invalid credentials")


def test_the_key_comes_before_basic_and_basic_before_the_url(lane):
    who = customer(client={"url_credentials": True})
    before = who.books
    right = basic(f"{who.cast.client.username}:{cast.PASSWORD}".encode())
    wrong_key = {"X-API-Key": "httpapi_wrong", **right}
    assert_refused(who, before, lane.ask("GET", f"{SEND}?{urlencode(HELLO)}", None, wrong_key), 401)
    query = urlencode({"user": who.cast.client.username, "password": cast.PASSWORD, **HELLO})
    assert_refused(who, before, lane.ask("GET", f"{SEND}?{query}", None, basic(b"a:b")), 401)
    ask = lane.ask("GET", f"{SEND}?{urlencode(HELLO | {'user': 'x', 'password': 'y'})}", None, right)
    assert ask.status == 200


def test_a_panel_login_is_no_credential(lane):
    user = cast.make_user(cast.make_account())
    settle()
    headers = basic(f"{user.username}:{cast.PASSWORD}".encode())
    assert lane.ask("GET", f"{SEND}?{urlencode(HELLO)}", None, headers).status == 401


def test_guessing_is_slowed_down_with_429(lane):
    answers = [lane.ask("GET", SEND, None, {"X-API-Key": f"httpapi_{i}"}) for i in range(8)]
    assert [answer.status for answer in answers][:5] == [401] * 5
    assert answers[-1].status == 429 and int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize("whose", ["account", "client"])
def test_a_suspended_customer_is_403(lane, whose):
    who = customer()
    before = who.books
    row = getattr(who.cast, whose)
    row.active = False
    row.save()
    settle()
    assert_refused(who, before, who.post(lane, SEND, HELLO), 403, "Account suspended")


def test_an_address_that_is_not_listed_is_403(lane):
    who = customer(client={"ip_whitelist": ["203.0.113.0/24"]})
    before = who.books
    assert_refused(who, before, who.post(lane, SEND, HELLO), 403)


@pytest.mark.parametrize("path", [SEND, MESSAGES])
def test_a_key_without_the_scope_may_not_send(lane, path):
    who = customer()
    before = who.books
    who.key = cast.make_key(who.cast.client, scopes=["read"])
    settle()
    answer = who.post(lane, path, HELLO)
    assert (answer.status, who.books) == (403, before)


# -- money, routes, rates


def test_no_credit_is_402(lane):
    who = customer("0.5")
    before = who.books
    answer = who.post(lane, SEND, HELLO)
    assert_refused(who, before, answer, 402, "Insufficient credits")
    assert answer.body == b'{"ok":false,"error":"Insufficient credits"}'
    resource = who.post(lane, MESSAGES, HELLO)
    assert (resource.status, resource.json["code"], who.books) == (402, "no_credit", before)


def test_no_route_is_refused(lane):
    who = customer()
    who.cast.connector.active = False
    who.cast.connector.save()
    settle()
    before = who.books
    assert_refused(who, before, who.post(lane, SEND, HELLO), 400)
    assert who.post(lane, MESSAGES, HELLO).json["code"] == "no_route"


def test_a_sender_that_is_not_registered_is_403(lane):
    who = customer(sender_policy="registered")
    SenderId.objects.create(account=who.cast.account, value="MINE")
    settle()
    before = who.books
    assert_refused(who, before, who.post(lane, SEND, HELLO | {"from": "THEIRS"}), 403)


def test_over_the_rate_is_429_where_the_account_chose_so(lane):
    who = customer(over_limit="reject", client={"rate_limit": 1})
    bodies = [HELLO] * 10  # a second's worth may come at once
    assert 0 < who.post(lane, MESSAGES, bodies).json["accepted"] < 10
    before = who.books
    answer = who.post(lane, SEND, HELLO)
    assert_refused(who, before, answer, 429, "Rate limit exceeded")
    assert int(answer.headers["retry-after"]) >= 1
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("1", "0")


def test_over_the_daily_limit_is_429_where_the_account_chose_so(lane):
    who = customer(over_limit="reject", client={"daily_limit": 1})
    assert who.post(lane, SEND, HELLO).status == 200
    before = who.books
    assert_refused(who, before, who.post(lane, SEND, HELLO), 429, "Rate limit exceeded")


def test_a_query_that_is_not_utf8_is_400(lane, who):
    before = who.books
    assert_refused(who, before, who.get(lane, f"{SEND}?to={cast.NUMBER}&content=%ff%fe"), 400)
    many = "&".join(f"p{i}=1" for i in range(200))
    assert_refused(who, before, who.get(lane, f"{SEND}?{many}"), 400)
