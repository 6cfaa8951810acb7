"""The HTTP client runs on asyncio's own loop and on uvloop, which the webhook loop uses; our HTTP server on sockets."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
import uvloop

from common import http_server
from tests.support.waiting import wait_until


def pytest_asyncio_loop_factories(config, item):
    """Both for the tests of the client, else asyncio's own."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return loops if "test_http_" in item.nodeid else {"asyncio": asyncio.new_event_loop}


@dataclass
class Served:
    """The server; the paths that the application was asked for and has answered; an event that lets /slow end."""

    server: uvicorn.Server
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    going_on: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.server.servers[0].sockets[0].getsockname()[1])


@pytest.fixture
def served() -> Iterator[Served]:
    async def application(scope, receive, send):
        here.asked.append(scope["path"])
        if scope["path"] == "/slow":
            await asyncio.to_thread(here.going_on.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        here.answered.append(scope["path"])

    config = uvicorn.Config(
        application, port=0, http=http_server.Connection, lifespan="off", log_config=None, timeout_keep_alive=60
    )
    here = Served(uvicorn.Server(config))
    thread = threading.Thread(target=here.server.run, daemon=True)
    thread.start()
    wait_until(lambda: here.server.started)
    yield here
    here.going_on.set()
    here.server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
