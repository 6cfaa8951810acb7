"""A server that ends refuses nobody who is connected: one last answer each, which says that it is the last."""

import http.client
import time

from tests.support.waiting import wait_until


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


def test_a_request_on_an_idle_connection_is_answered_and_told_that_it_is_the_last(served):
    server = served.server
    client = _client(server)
    assert _ask(client) == (200, b"ok", None)
    _end(server)
    assert _ask(client) == (200, b"ok", "close")


def test_the_answer_that_is_under_way_says_close(served):
    server, go_on = served.server, served.going_on
    client = _client(server)
    client.request("GET", "/slow")
    wait_until(lambda: any(each.cycle for each in server.server_state.connections))
    _end(server)
    go_on.set()
    answer = client.getresponse()
    assert (answer.status, answer.read(), answer.getheader("connection")) == (200, b"ok", "close")


def test_a_connection_that_stays_idle_holds_the_end_up_for_a_second_only(served):
    server = served.server
    client = _client(server)
    _ask(client)
    began = time.monotonic()
    _end(server)
    assert client.sock.recv(1) == b""
    assert time.monotonic() - began < 3
