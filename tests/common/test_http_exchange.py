"""The webhook client against servers that do not mean well: each script is what the server sends, octet by octet."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from common.http import BODY_CAP, OutboundError, Response, parse_networks
from common.http.async_client import GuardedSession
from common.http.exchange import HEAD_CAP

ALLOWED = parse_networks(["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Plays one script for each request, the last one again and again; counts requests and connections."""

    scripts: list[Script]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://hook.test:{self.port}/dlr?a=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                await script(writer)
        writer.close()


def says(*pieces: bytes, end: bool = False, pause: float = 0.02) -> Script:
    """Sends the pieces one after the other, and then perhaps goes away."""

    async def script(writer: asyncio.StreamWriter) -> None:
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(pause)
            writer.write(piece)
            await writer.drain()
        if end:
            writer.close()

    return script


@contextlib.asynccontextmanager
async def against(*scripts: Script) -> AsyncIterator[tuple[Server, Callable[..., Awaitable[Response]]]]:
    server = Server(list(scripts))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        async with GuardedSession(ALLOWED, lookup=lambda *_: ["127.0.0.1"]) as session:

            async def post(seconds: float = 5.0) -> Response:
                return await session.post_json(server.url, b'{"a":1}', {"webhook-id": "7"}, timeout_total=seconds)

            yield server, post
    finally:
        listening.close()


async def failure(post: Callable[..., Awaitable[Response]], seconds: float = 5.0) -> str:
    with pytest.raises(OutboundError) as caught:
        await post(seconds)
    return str(caught.value.kind)


async def test_the_request_is_what_http_asks_for():
    async with against(says(OK)) as (server, post):
        await post()
    assert server.requests == [
        b"POST /dlr?a=1 HTTP/1.1\r\nHost: hook.test:%d\r\nAccept: */*\r\nAccept-Encoding: identity\r\nwebhook-id: 7\r\n"
        b'Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}' % server.port
    ]


async def test_a_connection_serves_many_requests_one_after_the_other():
    async with against(says(OK)) as (server, post):
        for _ in range(5):
            assert (await post()).body_head == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("size", [1, 3, 17])
async def test_an_answer_in_small_pieces_is_one_answer(size: int):
    pieces = [OK[at : at + size] for at in range(0, len(OK), size)]
    async with against(says(*pieces, pause=0)) as (server, post):
        assert [(await post()).body_head, (await post()).body_head] == [b"ok", b"ok"]
    assert server.connections == 1


async def test_chunks_are_joined_and_trailers_are_dropped():
    chunked = (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
        b"3\r\nabc\r\n4;note=x\r\ndefg\r\n0\r\nX-A: 2\r\n\r\n"
    )
    async with against(says(chunked), says(OK)) as (server, post):
        answer = await post()
        assert (answer.status, answer.body_head, answer.headers["x-a"]) == (201, b"abcdefg", "1")
        assert (await post()).status == 200
    assert server.connections == 1


async def test_100_continue_and_early_hints_are_not_the_answer():
    early = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with against(says(*early, OK), says(b"".join(early) + OK), says(*early, end=True)) as (server, post):
        for _ in range(2):
            answer = await post()
            assert (answer.status, "link" in answer.headers) == (200, False)
        assert await failure(post) == "protocol"
    assert server.connections == 1


async def test_204_has_no_body_and_the_connection_goes_on():
    async with against(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as (server, post):
        assert [(await post()).status, (await post()).status] == [204, 204]
    assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection():
    async with against(says(b"HTTP/1.1 200 OK\r\n\r\nwords", b" and more", end=True)) as (server, post):
        assert (await post()).body_head == b"words and more"
        assert (await post()).body_head == b"words and more"
    assert server.connections == 2


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
async def test_an_answer_that_is_cut_is_none(cut: bytes):
    async with against(says(cut, end=True)) as (_, post):
        assert await failure(post) == "protocol"


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 100,
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ],
)
async def test_garbage_is_a_protocol_error_and_the_next_request_has_a_new_connection(garbage: bytes):
    async with against(says(garbage), says(OK)) as (server, post):
        assert await failure(post) == "protocol"
        assert (await post()).status == 200
    assert server.connections == 2


async def test_a_head_without_end_is_cut_by_its_size():
    line = b"X-Pad: " + b"x" * 8000 + b"\r\n"
    endless = [b"HTTP/1.1 200 OK\r\n", *[line] * (HEAD_CAP // 8000 + 50)]
    async with against(says(*endless, pause=0.001)) as (_, post):
        started = time.monotonic()
        assert await failure(post) == "protocol"
        assert time.monotonic() - started < 4


async def test_interim_answers_without_end_are_cut_too():
    async with against(says(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 100] * 60, pause=0.001)) as (_, post):
        assert await failure(post) == "protocol"


async def test_a_huge_body_is_read_to_the_cap_and_its_connection_is_over():
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    async with against(says(huge), says(OK)) as (server, post):
        assert (await post()).body_head == b"x" * BODY_CAP
        assert (await post()).body_head == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "slow",
    [
        [],
        [bytes([octet]) for octet in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"x"] * 200],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 200],
    ],
    ids=["silence", "head", "body", "chunks"],
)
async def test_a_server_that_drips_takes_the_time_limit_and_no_more(slow: list[bytes]):
    async with against(says(*slow), says(OK)) as (server, post):
        started = time.monotonic()
        assert await failure(post, 0.3) == "timeout"
        assert time.monotonic() - started < 1.5
        assert (await post()).status == 200
    assert server.connections == 2


async def test_a_second_answer_to_one_request_is_not_the_next_ones():
    false = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    async with against(says(OK + false), says(OK)) as (server, post):
        assert [(await post()).status, (await post()).status] == [200, 200]
    assert server.connections == 2


async def test_words_out_of_turn_end_an_idle_connection():
    async with against(says(OK, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), says(OK)) as (server, post):
        assert (await post()).status == 200
        await asyncio.sleep(0.2)
        assert (await post()).status == 200
    assert server.connections == 2


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
async def test_a_server_that_wants_to_end_is_let_go(head: bytes):
    async with against(says(head + b"Content-Length: 2\r\n\r\nok")) as (server, post):
        assert [(await post()).status, (await post()).status] == [200, 200]
    assert server.connections == 2


async def test_a_server_that_left_while_nothing_was_under_way_costs_no_request():
    async with against(says(OK, b"", end=True), says(OK)) as (server, post):
        assert (await post()).status == 200
        await asyncio.sleep(0.2)
        assert (await post()).status == 200
    assert server.connections == 2


async def test_switching_protocols_is_an_answer_that_ends_the_connection():
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with against(says(switch), says(OK)) as (server, post):
        assert (await post()).status == 101
        assert (await post()).status == 200
    assert server.connections == 2


async def test_a_request_that_is_given_up_leaves_no_connection_behind():
    async with against(says(b""), says(OK)) as (server, post):
        task = asyncio.create_task(post())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await post()).status == 200
    assert server.connections == 2


async def test_the_second_address_of_a_name_is_tried_when_the_first_is_closed():
    names = {"lookup": lambda *_: ["127.0.0.9", "127.0.0.1"]}
    async with against(says(OK)) as (server, _), GuardedSession(ALLOWED, **names) as session:
        assert (await session.post_json(server.url, b"{}")).status == 200


async def test_connections_that_open_at_once_look_their_name_up_once():
    looks = []

    def lookup(host: str, port: int) -> list[str]:
        looks.append(host)
        time.sleep(0.05)
        return ["127.0.0.1"]

    async with against(says(OK)) as (server, _), GuardedSession(ALLOWED, lookup=lookup) as session:
        await asyncio.gather(*(session.post_json(server.url, b"{}") for _ in range(10)))
    assert (len(looks), server.connections) == (1, 10)


async def test_idle_connections_end_by_themselves():
    options = {"lookup": lambda *_: ["127.0.0.1"], "keepalive": 0.1}
    async with against(says(OK)) as (server, _), GuardedSession(ALLOWED, **options) as session:
        await session.post_json(server.url, b"{}")
        assert len(session._open) == 1
        await asyncio.sleep(1.5)  # one look a second
        assert not session._open
        assert not session._hosts
