"""Where the demo customer's delivery receipts go: shown on the screen and at GET /demo/dlr, kept in memory."""

import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

PATH = "/demo/dlr"
KEPT, BODY_LIMIT = 1_000, 65_536
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class DemoReceiver:
    """ASGI: answers PATH itself, hands everything else to the gateway."""

    def __init__(self, inner: Callable[..., Awaitable[None]], show: Callable[[str], None]) -> None:
        self._inner, self._show = inner, show
        self.received: deque[dict[str, Any]] = deque(maxlen=KEPT)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._inner(scope, receive, send)
        elif scope["method"] == "POST":
            await self._take(receive, send)
        else:
            await _answer(send, 200, list(self.received))

    async def _take(self, receive: Receive, send: Send) -> None:
        body = b""
        while len(body) <= BODY_LIMIT:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        try:
            receipt = json.loads(body)
        except ValueError:
            await _answer(send, 400, {"status": "not JSON"})
            return
        self.received.append(receipt)
        self._show(f"DLR webhook: {receipt.get('status')} to {receipt.get('to')} ({receipt.get('message_id')})")
        await _answer(send, 200, {"status": "received"})


async def _answer(send: Send, status: int, body: Any) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
