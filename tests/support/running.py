"""The gateway's parts running in this process on the stores of the suite."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, Self

from django.db import connections

from common import bus
from workers.deliveries import process as deliveries
from workers.embedded import Beat, Binds, CeleryWorker


@contextlib.contextmanager
def parts_running(*, beat: bool = True) -> Iterator[Binds]:
    """Webhook loop, Celery worker, binds and beat, stopped in reverse."""
    from gateway_project.celery import app

    worker, binds, ticks = CeleryWorker(app), Binds(), Beat(app)
    deliveries.start()
    worker.start()
    binds.start()
    if beat:
        ticks.start()
    try:
        yield binds
    finally:
        if beat:
            ticks.stop()
        binds.stop()
        worker.stop()
        deliveries.stop()
        bus.close()
        connections.close_all()


class WebhookReceiver:
    """A customer's URL on loopback; `answers` are the codes of the next posts, 200 when there are none left."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        outer = self

        class Answering(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                outer.posts.append(json.loads(body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/dlr"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, public_id: str) -> list[dict[str, Any]]:
        """What was posted about one message."""
        return [post for post in self.posts if post["message_id"] == public_id]
