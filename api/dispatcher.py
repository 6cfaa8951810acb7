"""Which lane a request takes, and what lives and dies with the process (ASGI lifespan)."""

import asyncio
from typing import Any

import structlog

from api.django_lane import DjangoLane
from api.front import Front
from api.gate import VISIT, Receive, Scope, Send, respond
from api.problems import shape
from api.send_contract import ENDPOINTS
from common.errors import Code

log = structlog.get_logger(__name__)


class Dispatcher:
    """Sending goes to the fast lane, the probes answer themselves, everything else is Django's."""

    def __init__(self, wsgi: Any) -> None:
        self._wsgi = wsgi
        self._front: Front | None = None
        self._django: DjangoLane | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one event stream that came through the gate."""
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if self._front is None or self._django is None:
            return await _closed(scope, send)
        if scope["path"] in ENDPOINTS and _is_sending(scope):
            return await self._front.fast_lane(scope, receive, send)
        if scope["path"] == "/healthz":
            return await respond(send, 200, {"ok": True, "status": "alive"})
        if scope["path"] == "/readyz":
            report = await self._front.health.ready()
            return await respond(send, report.http_status, report.body())
        if not self._front.can_answer:
            return await _closed(scope, send, "The database does not answer")
        return await self._django(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self._stop()
                return await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        self._django = DjangoLane(self._wsgi)
        self._front = Front()
        await self._front.start()

    async def _stop(self) -> None:
        front, self._front = self._front, None
        django, self._django = self._django, None
        if front is not None:
            await front.stop()
        if django is not None:
            await asyncio.to_thread(django.close)


def _is_sending(scope: Scope) -> bool:
    """GET /api/v1/messages is a list, which Django gives; every other method on these paths is the contract's."""
    return bool(scope["path"] != "/api/v1/messages" or scope["method"] == "POST")


async def _closed(scope: Scope, send: Send, why: str = "The gateway is starting or stopping") -> None:
    body = shape(Code.UNAVAILABLE, why, request_id=scope[VISIT].request_id)
    await respond(send, 503, body, [("Retry-After", "1")])
