"""What a command must be like to be accepted: one table of refusals, and what the accepted ones become."""

from datetime import UTC, datetime, timedelta

import pytest

from common.errors import Code, Rejected
from common.gsm import Encoding
from messaging.preparation import References, prepare
from tests.support import cast
from tests.support.intake import command

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CONCAT = bytes.fromhex("050003010201")


@pytest.fixture
def who():
    return cast.customer("100")


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"to": ""}, Code.MISSING_FIELD, "to"),
        ({"content": ""}, Code.MISSING_FIELD, "content"),
        ({"to": "12"}, Code.INVALID_NUMBER, "to"),
        ({"to": "0501234567"}, Code.INVALID_NUMBER, "to"),
        ({"to": "9" * 41}, Code.INVALID_NUMBER, "to"),
        ({"to": "97150123\x00"}, Code.INVALID_VALUE, "to"),
        ({"content": "a\x00b"}, Code.INVALID_VALUE, "content"),
        ({"content": "a\ud800b"}, Code.INVALID_VALUE, "content"),
        ({"sender": "\ud800"}, Code.INVALID_VALUE, "from"),
        ({"sender": "TWELVELETTER"}, Code.INVALID_SENDER, "from"),
        ({"content": "Привет", "coding": Encoding.GSM7}, Code.INVALID_ENCODING, "content"),
        ({"content": "Привет", "coding": Encoding.LATIN1}, Code.INVALID_ENCODING, "content"),
        ({"coding": Encoding.BINARY}, Code.INVALID_ENCODING, "coding"),
        ({"coding": Encoding.LATIN1, "flash": True}, Code.INVALID_VALUE, "flash"),
        ({"content": "x" * 1531}, Code.TOO_MANY_PARTS, "content"),
        ({"content": "x" * 161, "max_parts": 1}, Code.TOO_MANY_PARTS, "content"),
        ({"content": "x" * 50_000}, Code.TOO_MANY_PARTS, "content"),
        ({"content": "x" * 154, "udh": CONCAT}, Code.TOO_MANY_PARTS, "content"),
        ({"binary": b"x" * 135, "udh": CONCAT}, Code.TOO_MANY_PARTS, "content"),
        ({"udh": b"x" * 141}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\xff\x00"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x00"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x05\x00\x03\x01\x02\x01\x00"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x02\x00\x03"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x05\x00\x03\x01\x02\x05"}, Code.INVALID_VALUE, "udh"),  # part 5 of 2
        ({"udh": b"\x05\x00\x03\x01\x02\x00"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x06\x08\x04\x00\x01\x00\x00"}, Code.INVALID_VALUE, "udh"),
        ({"udh": b"\x04\x00\x02\x02\x01"}, Code.INVALID_VALUE, "udh"),  # no room for a reference
        ({"max_parts": 0}, Code.INVALID_VALUE, "max_parts"),
        ({"traffic_class": "fast"}, Code.INVALID_VALUE, "traffic_class"),
        ({"traffic_class": "otp"}, Code.FORBIDDEN, "traffic_class"),
        ({"validity": 0}, Code.INVALID_VALUE, "validity"),
        ({"validity": 7 * 86_400 + 1}, Code.INVALID_VALUE, "validity"),
        ({"send_at": NOW + timedelta(days=31)}, Code.INVALID_VALUE, "send_at"),
        ({"send_at": datetime(2026, 5, 2)}, Code.INVALID_VALUE, "send_at"),
        ({"client_ref": "r" * 101}, Code.INVALID_VALUE, "client_ref"),
        ({"client_ref": "\x00"}, Code.INVALID_VALUE, "client_ref"),
        ({"tags": ["t"] * 11}, Code.INVALID_VALUE, "tags"),
        ({"tags": ["t" * 51]}, Code.INVALID_VALUE, "tags"),
        ({"tags": ["\x00"]}, Code.INVALID_VALUE, "tags"),
        ({"tags": [1]}, Code.INVALID_VALUE, "tags"),
        ({"tlvs": {str(i): 1 for i in range(21)}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"a": "x" * 501}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"a": -1}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"a": True}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"a": "\x00"}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"0x0424": "another text"}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"1060": "another text"}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"0x20c": 1}}, Code.INVALID_VALUE, "tlvs"),
        ({"tlvs": {"0x10000": 1}}, Code.INVALID_VALUE, "tlvs"),
        ({"dlr_url": "ftp://example.com/"}, Code.INVALID_URL, "dlr_url"),
        ({"dlr_url": "http://10.0.0.1/"}, Code.INVALID_URL, "dlr_url"),
        ({"dlr_url": "https://example.com/" + "x" * 500}, Code.INVALID_URL, "dlr_url"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field(who, given, code, field):
    with pytest.raises(Rejected) as refusal:
        prepare(command(who, **given), NOW)
    assert refusal.value.code == code
    assert field in refusal.value.fields


def test_the_first_character_that_gsm7_cannot_write_is_named(who):
    with pytest.raises(Rejected, match=r"U\+043F at position 3"):
        prepare(command(who, content="ab^пр", coding=Encoding.GSM7), NOW)


@pytest.mark.parametrize(
    ("given", "encoding", "parts"),
    [
        ({"content": "x" * 160}, "gsm7", 1),
        ({"content": "x" * 161}, "gsm7", 2),
        ({"content": "€" * 80}, "gsm7", 1),
        ({"content": "ж" * 70}, "ucs2", 1),
        ({"content": "ж" * 71}, "ucs2", 2),
        ({"content": "x" * 71, "coding": Encoding.UCS2}, "ucs2", 2),
        ({"binary": b"\x00\xff" * 70}, "binary", 1),
        ({"binary": b"\x00" * 141}, "binary", 2),
        ({"binary": b"\x00" * 134, "udh": CONCAT}, "binary", 1),
        ({"content": "x" * 153, "udh": CONCAT}, "gsm7", 1),
        ({"content": "ж" * 67, "udh": CONCAT}, "ucs2", 1),
    ],
)
def test_encoding_and_parts(who, given, encoding, parts):
    body = prepare(command(who, **given), NOW).body
    assert (body.encoding, body.parts) == (encoding, parts)


def test_binary_and_its_header_are_kept_as_hex(who):
    body = prepare(command(who, binary=b"\x00\xfe", udh=b"\x02\x70\x00"), NOW).body
    assert (body.content, body.udh) == ("00fe", "027000")


@pytest.mark.parametrize("given", ["+971 50 123 4567", "00971501234567", "971-50-1234567"])
def test_a_recipient_is_stored_in_one_spelling_and_the_callers_is_kept(who, given):
    found = prepare(command(who, to=given), NOW)
    assert (found.recipient, found.recipient_given) == (cast.NUMBER, given)


def test_the_lane_is_the_requests_then_the_clients_then_transactional():
    who = cast.customer("100", client={"traffic_class": "bulk", "otp_allowed": True})
    assert prepare(command(who), NOW).lane == "bulk"
    assert prepare(command(who, traffic_class="otp"), NOW).lane == "otp"
    assert prepare(command(who, api_client=None), NOW).lane == "transactional"


def test_a_moment_that_has_passed_means_now_and_one_ahead_is_kept(who):
    assert prepare(command(who, send_at=NOW - timedelta(hours=1)), NOW).send_at is None
    later = NOW + timedelta(days=29)
    assert prepare(command(who, send_at=later), NOW).send_at == later


def test_a_private_callback_is_allowed_where_the_site_says_so(who, settings):
    settings.OUTBOUND_HTTP_ALLOW = ["10.0.0.0/8"]
    prepare(command(who, dlr_url="http://10.0.0.1/"), NOW)


def test_references_of_one_recipient_follow_each_other_and_are_forgotten_oldest_first():
    references = References(capacity=2)
    first = references.next("a")
    assert references.next("a") == first % 0xFFFF + 1
    assert 1 <= references.next("b") <= 0xFFFF
    references.next("c")
    assert len(references._last) == 2
    assert "a" not in references._last
