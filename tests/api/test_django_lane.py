"""The pool in front of Django: bounded, and never held by slow senders. The probes are cheap."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from api import django_lane, health
from api.django_lane import DjangoLane
from api.gate import VISIT, Visit
from tests.support.waiting import wait_until


async def ask(lane, body=b"", *, pieces=None, headers=()):
    """One request; returns (status, body)."""
    events = list(pieces) if pieces is not None else [{"type": "http.request", "body": body, "more_body": False}]
    sent = []

    async def receive():
        if events:
            return events.pop(0)
        await asyncio.sleep(60)
        raise AssertionError("nobody should wait so long")

    async def send(event):
        sent.append(event)

    scope = {
        "type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": list(headers),
        "http_version": "1.1", VISIT: Visit("r", "127.0.0.1"),
    }  # fmt: skip
    await lane(scope, receive, send)
    return (sent[0]["status"], b"".join(event.get("body", b"") for event in sent[1:])) if sent else (0, b"")


def echo(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(length)]


async def test_a_body_in_chunks_reaches_django_with_its_length():
    lane = DjangoLane(echo)
    pieces = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"cd"}]
    assert await ask(lane, pieces=pieces, headers=[(b"transfer-encoding", b"chunked")]) == (200, b"abcd")
    lane.close()


async def test_beyond_the_line_the_answer_is_503_at_once():
    free = threading.Event()

    def waits(environ, start_response):
        free.wait(10)
        return echo(environ, start_response)

    lane = DjangoLane(waits, workers=1, waiting=2)
    taken = [asyncio.create_task(ask(lane)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    status, body = await ask(lane)
    assert status == 503 and b"unavailable" in body
    free.set()
    assert [status for status, _ in await asyncio.gather(*taken)] == [200] * 3
    assert (await ask(lane))[0] == 200
    lane.close()


async def test_a_slow_sender_holds_no_thread(monkeypatch):
    monkeypatch.setattr(django_lane, "BODY_SECONDS", 0.2)
    lane = DjangoLane(echo, workers=1, waiting=0)
    slow = asyncio.create_task(ask(lane, pieces=[{"type": "http.request", "body": b"x", "more_body": True}]))
    await asyncio.sleep(0)
    assert await ask(lane, b"quick") == (200, b"quick")
    assert await slow == (0, b"")
    lane.close()


async def test_a_long_upload_is_streamed():
    lane = DjangoLane(echo)
    size = 3 * django_lane.BUFFERED
    pieces = [{"type": "http.request", "body": b"x" * django_lane.BUFFERED, "more_body": i < 2} for i in range(3)]
    status, body = await ask(lane, pieces=pieces, headers=[(b"content-length", str(size).encode())])
    assert status == 200 and len(body) == size
    lane.close()


async def test_readiness_is_looked_at_once_a_second_however_often_it_is_asked(monkeypatch):
    looks = []
    with ThreadPoolExecutor(2) as threads:
        probe = health.Health(threads, intake_open=lambda: True)
        monkeypatch.setattr(probe, "_look", lambda: looks.append(1) or health.Report({"database": "ok"}))
        await asyncio.gather(*(probe.ready() for _ in range(20)))
        await probe.ready()
    assert len(looks) == 1


async def test_a_database_that_hangs_is_not_ready_within_the_patience(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.1)
    free = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        probe = health.Health(threads, intake_open=lambda: True)
        monkeypatch.setattr(probe, "_look", lambda: free.wait(5) and health.Report({}))
        started = time.monotonic()
        report = await probe.ready()
        assert report.http_status == 503 and time.monotonic() - started < 1
        free.set()


def test_without_a_broker_we_are_degraded_not_down(settings):
    settings.BROKER_URL = "amqp://guest@127.0.0.1:1//"
    assert wait_until(lambda: health._broker() == "unreachable")
    checks = {"database": "ok", "migrations": "ok", "rows": "ok", "partitions": "ok", "intake": "ok"}
    assert (health.Report(checks | {"broker": "unreachable"}).status, health.Report(checks).status) == (
        "degraded", "ready",
    )  # fmt: skip
    assert health.Report(checks | {"broker": "unreachable"}).http_status == 200
    assert health.Report(checks | {"migrations": "not applied"}).http_status == 503


def test_a_missing_partition_is_loud_and_takes_nobody_out_of_service():
    checks = {"database": "ok", "migrations": "ok", "rows": "ok", "partitions": "ok", "intake": "ok"}
    report = health.Report(checks | {"partitions": "missing: messaging_part_202701"})
    assert (report.status, report.http_status) == ("degraded", 200)
    report = health.Report(checks | {"rows": "no place in messaging_part"})
    assert (report.status, report.http_status) == ("unavailable", 503)
