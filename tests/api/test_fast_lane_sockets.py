"""The fast lane on real sockets: keep-alive, chunks, slow and vanishing senders, and a database that goes away."""

import http.client
import json
import logging
import socket
import time

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from api import fastlane
from messaging.models import Message
from tests.api.sending import HELLO, MESSAGES, SEND, customer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]


def head(who, path, *lines):
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {who.key}", *lines, "", ""]).encode()


def raw(port, *pieces):
    """Send pieces; returns status and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, answer.read()


def test_many_requests_go_over_one_connection(fast):
    who = customer()
    kept = http.client.HTTPConnection("127.0.0.1", fast.port, timeout=10)
    headers = {"X-API-Key": who.key, "Content-Type": "application/json"}
    for _ in range(5):
        kept.request("POST", SEND, json.dumps(HELLO), headers)
        assert json.loads(kept.getresponse().read())["ok"]
    kept.request("POST", SEND, b"x" * 300_000, headers)  # refused unread, and the connection still serves
    assert kept.getresponse().read() and kept.sock is not None
    kept.request("POST", SEND, json.dumps(HELLO), headers)
    assert kept.getresponse().status == 200
    kept.close()
    assert len(who.messages) == 6


def test_a_chunked_body_is_read(fast):
    who = customer()
    octets = json.dumps(HELLO).encode()
    pieces = [b"%x\r\n%s\r\n" % (len(octets[i : i + 7]), octets[i : i + 7]) for i in range(0, len(octets), 7)]
    status, body = raw(fast.port, head(who, SEND, "Transfer-Encoding: chunked"), *pieces, b"0\r\n\r\n")
    assert status == 200, body


def test_a_chunked_body_without_end_is_cut_at_the_limit(fast):
    who = customer()
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    status, _ = raw(fast.port, head(who, SEND, "Transfer-Encoding: chunked"), *[chunk] * 5)
    assert (status, who.books[0]) == (413, 0)


def test_a_body_that_does_not_come_is_503_and_holds_nobody(fast, monkeypatch):
    monkeypatch.setattr(fastlane, "BODY_SECONDS", 0.3)
    who = customer()
    status, body = raw(fast.port, head(who, SEND, "Content-Length: 50"), b'{"to":')
    assert status == 503 and b"in time" in body
    assert who.post(fast, SEND, HELLO).status == 200


def test_a_caller_who_leaves_before_the_end_sends_nothing(fast):
    who = customer()
    with socket.create_connection(("127.0.0.1", fast.port)) as sock:
        sock.sendall(head(who, SEND, "Content-Length: 500") + json.dumps(HELLO).encode())
    assert who.post(fast, SEND, HELLO).status == 200
    assert who.books[0] == 1


def test_a_stranger_is_refused_before_his_body_is_read(fast):
    status, body = raw(
        fast.port, b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: no\r\nContent-Length: 16000000\r\n\r\n"
    )
    assert status == 401 and b"invalid_credentials" in body


def test_large_bodies_take_turns_and_small_ones_pass(fast):
    who = customer("5000")
    big = json.dumps([HELLO | {"content": "x" * 160} for _ in range(2_000)]).encode()
    assert len(big) > fastlane.INLINE
    started = time.monotonic()
    answer = who.post(fast, MESSAGES, big)
    assert answer.json["accepted"] == 2_000 and time.monotonic() - started < 10


@pytest.fixture
def without_database(monkeypatch):
    """Kill every session of the test database and refuse new ones; `.back()` ends it."""

    class Outage:
        def begin(self):
            name = connection.settings_dict["NAME"]
            config = settings.DATABASES["default"]
            connection.close()

            def refused(self):
                raise OperationalError("connection refused")

            self.patch = monkeypatch.context()
            patch = self.patch.__enter__()
            patch.setattr(BaseDatabaseWrapper, "connect", refused)
            with psycopg.connect(
                host=config["HOST"], port=config["PORT"], user=config["USER"], password=config["PASSWORD"],
                dbname="postgres", autocommit=True,
            ) as other:  # fmt: skip
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        def back(self):
            self.patch.__exit__(None, None, None)

    outage = Outage()
    yield outage


def test_without_a_database_the_answer_is_503_within_two_seconds_and_later_all_is_well(lane, without_database, caplog):
    caplog.set_level(logging.CRITICAL)
    who = customer()
    assert who.post(lane, SEND, HELLO).status == 200
    without_database.begin()
    try:
        for _ in range(3):
            started = time.monotonic()
            answer = who.post(lane, SEND, HELLO)
            assert answer.status == 503 and time.monotonic() - started < 2
            assert int(answer.headers["retry-after"]) >= 1
            assert list(answer.json) == ["ok", "error"]
    finally:
        without_database.back()
    assert wait_until(lambda: who.post(lane, SEND, HELLO).status == 200)
    assert Message.objects.filter(account=who.cast.account).count() >= 2
    assert who.cast.balance == 100 - Message.objects.filter(account=who.cast.account).count()


def test_probes_tell_of_the_database(fast, without_database, caplog):
    caplog.set_level(logging.CRITICAL)
    assert (fast.ask("GET", "/healthz").status, fast.ask("GET", "/healthz").json["ok"]) == (200, True)
    ready = wait_until(lambda: (found := fast.ask("GET", "/readyz")).status == 200 and found)
    assert ready.json["status"] == "ready" and ready.json["checks"]["migrations"] == "ok"
    without_database.begin()
    try:
        assert wait_until(lambda: fast.ask("GET", "/readyz").status == 503)
        assert fast.ask("GET", "/healthz").status == 200, "the process lives"
    finally:
        without_database.back()
    assert wait_until(lambda: fast.ask("GET", "/readyz").status == 200)
