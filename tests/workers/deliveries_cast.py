"""Where the webhook loop posts to, and waiting for what becomes of it."""

from tests.support.waiting import wait_until
from tests.support.web_sink import WebSink
from tests.support.webhooks import states


def at(sink: WebSink, path: str) -> str:
    """The URL of a path of the sink."""
    return f"http://127.0.0.1:{sink.port}{path}"


def done(ids, *wanted: str) -> bool:
    """True when these deliveries are in exactly the wanted states."""
    return wait_until(lambda: states(ids) == set(wanted), timeout=30)
