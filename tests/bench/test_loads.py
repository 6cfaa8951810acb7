"""The load generator and the webhook receiver, against each other: every octet arrives, every answer is timed."""

import asyncio
import json

import pytest

from bench.http_load import request, send
from bench.webhook_sink import WebhookSink


def posts(count, first=0):
    receipts = [{"message_id": f"m{first + n}", "status": "DELIVRD", "to": str(n)} for n in range(count)]
    return [request("/dlr", json.dumps(receipt).encode(), {}) for receipt in receipts]


async def test_every_request_is_sent_once_answered_and_timed():
    async with WebhookSink() as sink:
        result = await send(sink.port, posts(200), connections=8, keep_bodies=True)
        await sink.wait_for(200, quiet=5)
    assert result.statuses == {200: 200}
    assert sink.seen == {f"m{n}": 1 for n in range(200)}
    assert sink.statuses == {"DELIVRD": 200}
    assert len(result.latencies) == len(result.bodies) == 200
    assert min(result.latencies) > 0
    assert sink.last == max(sink.times)


async def test_a_webhook_that_comes_twice_is_told_and_does_not_end_the_wait():
    async with WebhookSink() as sink:
        await send(sink.port, [*posts(2), *posts(1)], connections=1)
        waiting = asyncio.create_task(sink.wait_for(3, quiet=5))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await send(sink.port, posts(1, first=2), connections=1)
        await waiting
    assert sink.seen == {"m0": 2, "m1": 1, "m2": 1}


async def test_a_request_in_pieces_is_read_whole():
    async with WebhookSink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        octets = b"".join(posts(2))
        for at in range(0, len(octets), 50):
            writer.write(octets[at : at + 50])
            await writer.drain()
            await asyncio.sleep(0)
        await sink.wait_for(2, quiet=5)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()
    assert len(sink.bodies) == 2


async def test_a_server_that_hangs_up_is_an_error_and_no_figure():
    async def hang_up(_reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    with pytest.raises(ConnectionError):
        await send(server.sockets[0].getsockname()[1], posts(1), connections=1)
    server.close()
