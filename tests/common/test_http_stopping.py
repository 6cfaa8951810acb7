"""A server that ends refuses nobody who is connected: one last answer each, which says that it is the last."""

import asyncio
import http.client
import threading
import time

import pytest
import uvicorn

from common import http_server
from tests.support.waiting import wait_until


@pytest.fixture
def running():
    """The server, and an event that lets /slow end."""
    go_on = threading.Event()

    async def application(scope, receive, send):
        if scope["path"] == "/slow":
            await asyncio.to_thread(go_on.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        application, port=0, http=http_server.Connection, lifespan="off", log_config=None, timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield server, go_on
    go_on.set()
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def _client(server):
    return http.client.HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1], timeout=10)


def _ask(client, path="/"):
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, answer.read(), answer.getheader("connection")


def _end(server):
    """Returns when every connection has been told."""
    server.should_exit = True
    wait_until(lambda: all(each._leaving for each in server.server_state.connections))


def test_a_request_on_an_idle_connection_is_answered_and_told_that_it_is_the_last(running):
    server, _ = running
    client = _client(server)
    assert _ask(client) == (200, b"ok", None)
    _end(server)
    assert _ask(client) == (200, b"ok", "close")


def test_the_answer_that_is_under_way_says_close(running):
    server, go_on = running
    client = _client(server)
    client.request("GET", "/slow")
    wait_until(lambda: any(each.cycle for each in server.server_state.connections))
    _end(server)
    go_on.set()
    answer = client.getresponse()
    assert (answer.status, answer.read(), answer.getheader("connection")) == (200, b"ok", "close")


def test_a_connection_that_stays_idle_holds_the_end_up_for_a_second_only(running):
    server, _ = running
    client = _client(server)
    _ask(client)
    began = time.monotonic()
    _end(server)
    assert client.sock.recv(1) == b""
    assert time.monotonic() - began < 3
