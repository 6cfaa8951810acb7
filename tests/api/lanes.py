"""Two ways to the same contract: a real socket to the dispatcher, and Django's handler."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from django.test import Client

from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """The ASGI application under uvicorn in a thread, on a port of its own."""

    def __init__(self, application: Any) -> None:
        config = uvicorn.Config(
            application, host="127.0.0.1", port=0, loop="uvloop", http="httptools", lifespan="on", log_config=None
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> "Server":
        self._thread.start()
        wait_until(lambda: self._server.started, timeout=20)
        return self

    @property
    def port(self) -> int:
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"


class Fast:
    """Requests over a socket; the dispatcher sends them to the fast lane."""

    name = "fast"

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()


class ByDjango:
    """Requests straight into Django's handler, where the view drives the contract."""

    name = "django"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        rest = dict(headers)
        media = rest.pop("Content-Type", "application/json" if body is not None else "")
        response = Client().generic(method, path, body or b"", content_type=media, headers=rest)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, names, response.content)


Lane = Fast | ByDjango
