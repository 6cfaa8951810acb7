"""The HTTP server on sockets: heads that never end, in octets or in time, cost nothing but their connection."""

import json
import socket
import struct

import pytest
import uvicorn

from common import http_server
from tests.support.waiting import wait_until

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WITH_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"


def open_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def until_closed(sock):
    """Everything that the server still says."""
    told = b""
    try:
        while piece := sock.recv(65536):
            told += piece
    except ConnectionError:
        pass
    return told


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"GET /?", id="url"),
        pytest.param(b"GET / HTTP/1.1\r\nX-A: ", id="header"),
        pytest.param(REQUEST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: "), id="trailer"),
    ],
)
def test_a_head_without_end_is_cut_long_before_it_fills_memory(served, beginning):
    port = served.port
    with open_to(port) as sock:
        sock.sendall(beginning)
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 64 * 2**20:
                sent += sock.send(b"a" * 65536)
        assert sent < 16 * 2**20  # what kernels hold; the server has taken 64 KiB and one read


def test_a_head_of_ordinary_length_and_a_long_body_pass(served):
    asked, port = served.asked, served.port
    with open_to(port) as sock:
        head = b"POST /long HTTP/1.1\r\nX-A: " + b"a" * 8_000 + b"\r\nContent-Length: 1000000\r\n\r\n"
        sock.sendall(head + b"b" * 1_000_000)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert asked == ["/long", "/"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="silence"),
        pytest.param([b"GET /"], id="half a line"),
        pytest.param([REQUEST, b"\r\n"], id="an empty line after an answer"),
        pytest.param([REQUEST, b"GET"], id="half a second request"),
        pytest.param([WITH_BODY, b"x"], id="a body nobody reads"),
    ],
)
def test_whoever_does_not_come_to_the_end_of_a_head_is_cut(served, monkeypatch, words):
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    port = served.port
    with open_to(port) as sock:
        for word in words:
            sock.sendall(word)
            if word.endswith(b"\r\n\r\n"):
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert until_closed(sock) == b""  # or the timeout of the socket raises


def test_a_slow_answer_is_not_a_slow_head(served, monkeypatch):
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.1)
    asked, port, going_on = served.asked, served.port, served.going_on
    with open_to(port) as sock:
        sock.sendall(REQUEST.replace(b"GET /", b"GET /slow"))
        wait_until(lambda: asked)
        sock.settimeout(0.4)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        going_on.set()
        sock.settimeout(10)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_caller_who_resets_among_several_requests_is_no_error_of_ours(served, caplog):
    asked, port, going_on = served.asked, served.port, served.going_on
    with open_to(port) as sock:
        sock.sendall(REQUEST + REQUEST.replace(b"GET /", b"GET /slow") + REQUEST)
        wait_until(lambda: "/slow" in asked)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with open_to(port) as other:  # the loop has seen the reset before it answers this
        other.sendall(REQUEST.replace(b"GET /", b"GET /other"))
        assert other.recv(100).startswith(b"HTTP/1.1 200")
    going_on.set()
    wait_until(lambda: sorted(served.answered) == sorted(asked))
    assert asked == ["/", "/slow", "/other"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_gunicorn_gets_the_same_connections():
    config = uvicorn.Config(lambda: None, **http_server.Worker.CONFIG_KWARGS)
    config.load()
    assert config.http_protocol_class is http_server.Connection


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"FOO /api/v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
        (b"G\xc3\x8bT / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
        (b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400, "invalid_value"),
        (b"GET / HTTQ/9\r\n\r\n", 400, "invalid_value"),
    ],
)
def test_what_no_parser_takes_is_refused_in_the_shape_of_every_refusal(served, head, status, code):
    asked, port = served.asked, served.port
    with open_to(port) as sock:
        sock.sendall(head)
        top, _, body = until_closed(sock).partition(b"\r\n\r\n")
    line, *rest = top.decode().split("\r\n")
    headers = dict(pair.split(": ", 1) for pair in rest)
    told = json.loads(body)
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert (told["ok"], told["code"], told["fields"]) == (False, code, {})
    assert headers["content-type"] == "application/json"
    assert told["request_id"] == headers["x-request-id"]
    assert int(headers["content-length"]) == len(body)
    assert ("allow" in headers) == (status == 405)
    assert asked == []


def test_nonsense_behind_a_request_gets_no_words_into_its_answer(served):
    asked, port = served.asked, served.port
    with open_to(port) as sock:
        sock.sendall(REQUEST.replace(b"/ ", b"/slow "))
        wait_until(lambda: asked == ["/slow"])
        sock.sendall(b"FOO / HTTP/1.1\r\n\r\n")
        assert until_closed(sock) == b""
