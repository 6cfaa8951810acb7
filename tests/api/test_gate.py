"""What every request passes: whose address it is, which host it asks for, what the log says of it."""

import logging

import pytest
from structlog.testing import capture_logs

from accounts.addresses import parse
from api import gate
from common.ids import new_id

PROXY = parse(["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger says what he likes
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the client wrote itself is not believed
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_client_is_who_the_trusted_proxies_saw(peer, forwarded, address):
    assert gate.client_address(peer, forwarded, PROXY) == address


def test_without_proxies_nobody_is_believed():
    assert gate.client_address("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


def test_queries_are_masked_for_the_log():
    masked = gate.masked_query(
        "user=company&password=s3cret&to=971501234567&content=my+private+text&from=MYCOMPANY&api_key=k1&dr=1&token=t"
    )
    for secret in ("s3cret", "9715", "private", "k1", "=t"):
        assert secret not in masked
    assert "to=********4567" in masked and "user=company" in masked and "dr=1" in masked
    assert "content=<15 characters>" in masked


@pytest.mark.parametrize("strange", ["", "a b", "x" * 65, "a\r\nSet-Cookie: x", "<script>", "é"])
def test_a_strange_request_id_is_replaced(strange):
    assert gate.request_id_of(strange) != strange
    assert gate.request_id_of("trace-1.2:3_4") == "trace-1.2:3_4"


async def through(application, *, headers=(), path="/x", query=b"", client=("127.0.0.1", 1), kind="http"):
    """Send one request through a gate; returns (scope the application saw, events sent)."""
    seen, sent = {}, []

    async def inner(scope, receive, send):
        seen.update(scope)
        await application(scope, receive, send)

    async def send(event):
        sent.append(event)

    scope = {
        "type": kind, "method": "GET", "path": path, "query_string": query, "client": client, "scheme": "http",
        "headers": [(b"host", b"localhost"), *headers],
    }  # fmt: skip
    await gate.Gate(inner)(scope, None, send)
    return seen, sent


async def ok(scope, receive, send):
    await gate.respond(send, 200, {"ok": True})


def headers_of(sent):
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def test_json_is_neither_cached_nor_sniffed_and_carries_the_request_id():
    seen, sent = await through(ok, headers=[(b"x-request-id", b"r-1")])
    found = headers_of(sent)
    assert found["x-request-id"] == "r-1" and found["cache-control"] == "no-store"
    assert found["x-content-type-options"] == "nosniff" and found["referrer-policy"] == "no-referrer"
    assert (b"x-request-id", b"r-1") in seen["headers"]


async def test_an_unknown_host_is_refused_before_anything_else(settings):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    seen, sent = await through(ok)
    assert not seen and sent[0]["status"] == 400
    seen, sent = await through(ok, path="/healthz")
    assert seen and sent[0]["status"] == 200, "probes ask by address"


async def test_forwarding_headers_of_strangers_and_names_with_underscores_do_not_get_through(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    names = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-proto", b"https"), (b"x_forwarded_for", b"1.2.3.4"),
             (b"remote_addr", b"1.2.3.4")]  # fmt: skip
    seen, _ = await through(ok, headers=names, client=("203.0.113.9", 1))
    assert seen["client"][0] == "203.0.113.9" and seen["scheme"] == "http"
    assert {name for name, _ in seen["headers"]} == {b"host", b"x-request-id"}
    seen, _ = await through(ok, headers=names, client=("10.1.2.3", 1))
    assert seen["client"][0] == "1.2.3.4" and seen["scheme"] == "https"


async def test_a_query_of_raw_octets_reaches_django_as_ascii():
    seen, _ = await through(ok, query="to=مرحبا&x=%20".encode())
    assert seen["query_string"].isascii() and seen["query_string"].endswith(b"&x=%20")


async def test_a_failure_is_a_json_500_that_tells_nothing():
    async def fails(scope, receive, send):
        raise RuntimeError("s3cret")

    _, sent = await through(fails)
    assert sent[0]["status"] == 500 and b"s3cret" not in sent[1]["body"] and b"request_id" in sent[1]["body"]


async def test_a_websocket_is_closed():
    _, sent = await through(ok, kind="websocket")
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_one_line_is_logged_without_secrets(caplog):
    caplog.set_level(logging.INFO)
    number = f"9715{str(new_id().int)[-8:]}"
    with capture_logs() as lines:
        await through(ok, query=f"user=u&password=s3cret&to={number}".encode(), path="/api/v1/http-send")
    [line] = [line for line in lines if line["event"] == "request"]
    assert line["status"] == 200 and line["path"] == "/api/v1/http-send" and line["address"] == "127.0.0.1"
    assert "s3cret" not in str(lines) and number not in str(lines)
