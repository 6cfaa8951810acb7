"""Both clients reach what is allowed, and nothing else, within their limits (threat S6, fault F13).

The sink on 127.0.0.2 is the allowed network; the canary on 127.0.0.1, same port, must never be hit.
"""

import asyncio
import datetime
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.http import BODY_CAP, OutboundError, Response, parse_networks
from common.http.async_client import GuardedSession
from common.http.sync_client import GuardedRequests
from tests.support.web_sink import WebSink

ALLOWED = parse_networks(["127.0.0.2/32"])
Lookup = Callable[[str, int], Sequence[str]]


def sink_lookup(host: str, port: int) -> list[str]:
    return ["127.0.0.2"]


def call_async(url: str, *, lookup: Lookup = sink_lookup, allow: Any = ALLOWED, timeout: float = 5.0) -> Response:
    async def once() -> Response:
        async with GuardedSession(allow, lookup=lookup) as session:
            return await session.post_json(url, b'{"a": 1}', {"X-Id": "7"}, timeout_total=timeout)

    return asyncio.run(once())


def call_sync(url: str, *, lookup: Lookup = sink_lookup, allow: Any = ALLOWED, timeout: float = 5.0) -> Response:
    headers = {"X-Id": "7", "Content-Type": "application/json"}
    with GuardedRequests(allow, lookup=lookup) as session:
        return session.call("POST", url, body=b'{"a": 1}', headers=headers, timeout_total=timeout)


@dataclass
class Net:
    """A sink that may be called and a canary that may not, on one port."""

    sink: WebSink
    canary: WebSink

    def url(self, path: str, host: str = "sink.test") -> str:
        return f"http://{host}:{self.sink.port}{path}"


def _on_one_port() -> tuple[WebSink, WebSink]:
    """On two addresses; a port that is free on one may be somebody's on the other."""
    for _ in range(20):
        sink = WebSink("127.0.0.2")
        try:
            return sink, WebSink("127.0.0.1", port=sink.port)
        except OSError:
            sink.stop()
    raise AssertionError("no port is free on both addresses")


@pytest.fixture
def net() -> Iterator[Net]:
    sink, canary = _on_one_port()
    yield Net(sink, canary)
    sink.stop()
    canary.stop()
    assert not canary.hits


@pytest.fixture(params=[call_async, call_sync], ids=["async", "sync"])
def call(request: pytest.FixtureRequest) -> Any:
    return request.param


def kind_of(call: Any, url: str, **options: Any) -> str:
    with pytest.raises(OutboundError) as caught:
        call(url, **options)
    return str(caught.value.kind)


def test_an_allowed_target_gets_the_request_unchanged(call: Any, net: Net) -> None:
    answer = call(net.url("/ok?x=%2F"))
    assert (answer.status, answer.body_head) == (200, b"thanks")
    assert answer.headers["retry-after"] == "7"
    assert 0 < answer.elapsed < 5
    headers, body = net.sink.seen[0]
    assert body == b'{"a": 1}'
    assert headers["Host"] == f"sink.test:{net.sink.port}"
    assert (headers["X-Id"], headers["Content-Type"]) == ("7", "application/json")
    assert headers["Accept-Encoding"] == "identity"


def test_an_allowed_literal_address_is_reached(call: Any, net: Net) -> None:
    assert call(net.url("/ok", "127.0.0.2")).status == 200
    assert call(net.url("/ok", "0x7f000002")).status == 200


@pytest.mark.parametrize("status", [204, 404, 500, 503])
def test_every_status_is_an_answer(call: Any, net: Net, status: int) -> None:
    assert call(net.url(f"/status/{status}")).status == status


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"],
)
@pytest.mark.parametrize("allow", [(), ALLOWED], ids=["closed", "sink allowed"])
def test_the_canary_is_not_reached_by_any_literal(call: Any, net: Net, host: str, allow: Any) -> None:
    def loopback(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    assert kind_of(call, net.url("/canary", host), allow=allow, lookup=loopback) == "blocked"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.2", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["8.8.8.8", "169.254.169.254"],
        ["fe80::1%lo"],
        ["not an address"],
    ],
)
def test_one_private_address_refuses_the_whole_name(call: Any, net: Net, addresses: list[str]) -> None:
    assert kind_of(call, net.url("/canary"), lookup=lambda *_: addresses) == "blocked"
    assert not net.sink.hits


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(call: Any, net: Net, code: int) -> None:
    inside = net.url("/canary", "127.0.0.1")
    assert call(net.url(f"/redir?code={code}&to={inside}")).status == code
    assert net.sink.hits == {"/redir": 1}


def test_a_name_is_looked_up_once_per_connection_so_it_cannot_rebind(call: Any, net: Net) -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]

    def rebinding(_: str, __: int) -> list[str]:
        return answers.pop(0)

    assert call(net.url("/ok"), lookup=rebinding).status == 200
    assert len(answers) == 2
    assert kind_of(call, net.url("/canary"), lookup=rebinding) == "blocked"


def test_a_name_without_address_is_a_dns_error(call: Any, net: Net) -> None:
    def unknown(_: str, __: int) -> list[str]:
        raise OSError("no such name")

    assert kind_of(call, net.url("/ok"), lookup=unknown) == "dns"
    assert kind_of(call, net.url("/ok"), lookup=lambda *_: []) == "dns"


def test_only_the_head_of_an_endless_answer_is_read(call: Any, net: Net) -> None:
    answer = call(net.url("/huge"))
    assert (answer.status, answer.body_head) == (200, b"x" * BODY_CAP)


@pytest.mark.parametrize("path", ["/hang", "/driphead", "/dripbody"])
def test_a_slow_server_takes_no_longer_than_the_time_limit(call: Any, net: Net, path: str) -> None:
    started = time.monotonic()
    assert kind_of(call, net.url(path), timeout=0.4) == "timeout"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("path", ["/reset", "/nonsense"])
def test_an_answer_that_breaks_is_a_protocol_error(call: Any, net: Net, path: str) -> None:
    assert kind_of(call, net.url(path)) == "protocol"


def test_a_closed_port_is_a_connect_error(call: Any, net: Net) -> None:
    closed = WebSink("127.0.0.2")
    closed.stop()
    assert kind_of(call, f"http://sink.test:{closed.port}/ok") == "connect"


def test_proxies_of_the_environment_are_not_used(call: Any, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, net.url("", "127.0.0.1"))
    assert call(net.url("/ok")).status == 200


async def test_addresses_are_refused_at_the_socket_too(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.http.resolver.check_addresses", lambda addresses, *_: list(addresses))
    async with GuardedSession(ALLOWED, lookup=lambda *_: ["127.0.0.1"]) as session:
        with pytest.raises(OutboundError, match="blocked"):
            await session.post_json(net.url("/canary"), b"{}")


async def test_connection_headers_stay_ours_and_line_breaks_are_refused(net: Net) -> None:
    async with GuardedSession(ALLOWED, lookup=sink_lookup) as session:
        await session.post_json(net.url("/ok"), b"{}", {"Host": "evil.test", "content-length": "999"})
        with pytest.raises(OutboundError, match="line break"):
            await session.post_json(net.url("/ok"), b"{}", {"X-A": "b\r\nHost: evil.test"})
    assert net.sink.hits == {"/ok": 1}
    assert net.sink.seen[0][0]["Host"] == f"sink.test:{net.sink.port}"
    assert net.sink.seen[0][0]["Content-Length"] == "2"


async def test_connections_are_reused_and_limited_per_host(net: Net) -> None:
    async with GuardedSession(ALLOWED, lookup=sink_lookup, limit_per_host=2) as session:
        await asyncio.gather(*(session.post_json(net.url("/ok"), b"{}") for _ in range(20)))
    assert net.sink.hits["/ok"] == 20
    assert len(net.sink.connections) <= 2


async def test_a_slow_host_leaves_room_for_the_others(net: Net) -> None:
    async with GuardedSession(ALLOWED, lookup=sink_lookup, limit=4, limit_per_host=2) as session:
        slow = [asyncio.create_task(session.post_json(net.url("/hang"), b"{}")) for _ in range(6)]
        answer = await session.post_json(net.url("/ok", "other.test"), b"{}", timeout_total=2)
        net.sink.release.set()
        await asyncio.gather(*slow, return_exceptions=True)
    assert answer.status == 200


async def test_a_slow_name_server_ends_with_the_time_limit(net: Net) -> None:
    def slow(_: str, __: int) -> list[str]:
        net.sink.release.wait(20)
        return ["127.0.0.2"]

    async with GuardedSession(ALLOWED, lookup=slow) as session:
        with pytest.raises(OutboundError, match="timeout"):
            await session.post_json(net.url("/ok"), b"{}", timeout_total=0.2)
    net.sink.release.set()
    assert not net.sink.hits


@dataclass
class Certified:
    """A TLS sink whose certificate says sink.test, and the file to trust it by."""

    sink: WebSink
    ca_file: str

    def url(self, host: str = "sink.test") -> str:
        return f"https://{host}:{self.sink.port}/ok"


def _certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sink.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "sink.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[Certified]:
    path = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    sink = WebSink("127.0.0.2", tls=context)
    yield Certified(sink, str(path))
    sink.stop()


def test_an_unknown_certificate_is_a_tls_error(call: Any, certified: Certified) -> None:
    assert kind_of(call, certified.url()) == "tls"
    assert not certified.sink.hits


async def test_tls_is_checked_against_the_name_although_the_address_is_pinned(certified: Certified) -> None:
    trust = ssl.create_default_context(cafile=certified.ca_file)
    async with GuardedSession(ALLOWED, lookup=sink_lookup, ssl_context=trust) as session:
        assert (await session.post_json(certified.url(), b"{}")).status == 200
        with pytest.raises(OutboundError, match="tls"):
            await session.post_json(certified.url("other.test"), b"{}")
    assert certified.sink.hits == {"/ok": 1}


def test_requests_checks_tls_against_the_name_too(certified: Certified) -> None:
    with GuardedRequests(ALLOWED, lookup=sink_lookup) as session:
        assert session.call("GET", certified.url(), verify=certified.ca_file).status == 200
        with pytest.raises(OutboundError, match="tls"):
            session.call("GET", certified.url("other.test"), verify=certified.ca_file)
    assert certified.sink.hits == {"/ok": 1}


def test_a_plain_requests_call_does_not_take_half_a_head_for_an_answer(net: Net) -> None:
    # A timeout, or the reset of a server that gave up first on a busy machine: never an answer.
    with (
        GuardedRequests(ALLOWED, lookup=sink_lookup) as session,
        pytest.raises((requests.Timeout, requests.ConnectionError)),
    ):
        session.get(net.url("/driphead"), timeout=0.3)


def test_a_plain_requests_call_through_the_session_is_guarded_as_well(net: Net) -> None:
    with GuardedRequests(ALLOWED, lookup=sink_lookup) as session:
        answer = session.get(net.url(f"/redir?code=302&to={net.url('/canary', '127.0.0.1')}"), timeout=5)
        assert answer.status_code == 302
        with pytest.raises(OutboundError, match="blocked"):
            session.get(net.url("/canary", "127.0.0.1"), timeout=5)
