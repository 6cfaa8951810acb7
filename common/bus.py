"""Telling the broker: one thread per process publishes hints with confirms, and nobody ever waits for it.

What is published here is a hint; the row behind it is committed already. So a broker that is down costs a
delay (the relay and the table path pick the row up), never a message and never an answer.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from kombu import Connection, Producer, Queue

log = structlog.get_logger(__name__)

LINE = 2_000  # bodies that may wait; each names up to 200 ids
PATIENCE = 5.0  # seconds; older ones are dropped, their rows are relayed
CONFIRM_TIMEOUT = 5.0  # seconds; without it a publisher can hang for ever (measured)
IDLE_TICK = 2.0  # seconds between heartbeats of an idle connection (heartbeat 10 s)
MEMORY_CAP = 1_000  # bodies in one queue of the in-memory broker


@dataclass(slots=True)
class Letter:
    """One body on its way to a queue."""

    queue: str
    body: Any
    headers: dict[str, Any]
    properties: dict[str, Any]
    on_confirmed: Callable[[], None] | None
    born: float = field(default_factory=time.monotonic)


def durable_queue(name: str) -> Queue:
    """How every queue of ours is declared, by publisher and consumer alike."""
    arguments = {"x-queue-type": settings.BROKER_QUEUE_TYPE} if settings.BROKER_QUEUE_TYPE else None
    return Queue(name, durable=True, queue_arguments=arguments)


class Publisher:
    """Takes letters without blocking; a thread declares queues, publishes, waits for confirms, reconnects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._line: queue.Queue[Letter | None] = queue.Queue(LINE)
        self._closing = threading.Event()
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._declared: set[str] = set()
        self._returned = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(
        self,
        queue_name: str,
        body: Any,
        *,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        on_confirmed: Callable[[], None] | None = None,
    ) -> bool:
        """Put a letter in line; False when the line is full. `on_confirmed` runs in the publisher's thread."""
        try:
            self._line.put_nowait(Letter(queue_name, body, headers or {}, properties or {}, on_confirmed))
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def close(self, timeout: float = 5.0) -> None:
        """Publish what waits, at most `timeout` seconds, then disconnect."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._line.put_nowait(None)  # wakes the thread
        self._thread.join(timeout)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._line.empty()):
            try:
                letter = self._line.get(timeout=0.1 if self._closing.is_set() else IDLE_TICK)
            except queue.Empty:
                self._beat()
                continue
            if letter is not None:
                self._carry(letter)
        self._disconnect()

    def _carry(self, letter: Letter) -> None:
        pause = 0.05
        while time.monotonic() - letter.born < PATIENCE:
            try:
                self._send(letter)
            except Exception as error:  # whatever the transport raises means: not confirmed
                log.warning("publish_failed", queue=letter.queue, error=str(error))
                self._disconnect()
                if self._closing.wait(pause):
                    break
                pause = min(pause * 2, 1.0)
            else:
                return
        self.dropped += 1

    def _send(self, letter: Letter) -> None:
        producer = self._producer or self._connect()
        self._declare(letter.queue)
        if self._is_full(letter.queue):
            self.dropped += 1
            return
        self._returned = False
        producer.publish(
            letter.body,
            routing_key=letter.queue,
            serializer="json",
            delivery_mode=2,
            mandatory=True,
            confirm_timeout=CONFIRM_TIMEOUT,
            headers=letter.headers,
            **letter.properties,
        )
        if self._returned:  # confirmed but dropped: somebody deleted the queue
            self._declared.discard(letter.queue)
            raise ConnectionError(f"no queue {letter.queue}")
        if letter.on_confirmed:
            letter.on_confirmed()

    def _declare(self, name: str) -> None:
        if name not in self._declared:
            assert self._producer is not None
            durable_queue(name)(self._producer.channel).declare()
            self._declared.add(name)

    def _is_full(self, name: str) -> bool:
        size = getattr(self._producer and self._producer.channel, "_size", None)  # in-memory broker only
        return size is not None and size(name) >= MEMORY_CAP

    def _connect(self) -> Producer:
        self._connection = Connection(
            self._url, heartbeat=10, connect_timeout=3, transport_options=transport_options(self._url)
        )
        self._connection.connect()
        self._producer = Producer(self._connection.channel(), on_return=self._on_return)
        self._declared.clear()
        return self._producer

    def _on_return(self, *_: Any) -> None:
        self._returned = True

    def _beat(self) -> None:
        if self._connection is not None and self._connection.supports_heartbeats:
            try:
                self._connection.heartbeat_check()
                self._connection.drain_events(timeout=0.001)
            except TimeoutError:
                pass
            except Exception as error:
                log.info("publisher_reconnects", error=str(error))
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.collect(socket_timeout=1)
            except Exception as error:
                log.debug("publisher_close", error=str(error))


def transport_options(url: str) -> dict[str, Any]:
    """Confirms on AMQP; a short poll on the in-memory broker (its default waits 0.5 to 2 s a hop)."""
    return {"polling_interval": 0.01} if url.startswith("memory") else {"confirm_publish": True, "read_timeout": 10}


_lock = threading.Lock()
_publisher: Publisher | None = None


def publisher() -> Publisher:
    """The publisher of this process, started at first use."""
    global _publisher
    with _lock:
        if _publisher is None or not _publisher._thread.is_alive():
            _publisher = Publisher(settings.BROKER_URL)
        return _publisher


def close() -> None:
    """Publish what waits and stop; for the end of a process and for tests."""
    global _publisher
    with _lock:
        if _publisher is not None:
            _publisher.close()
            _publisher = None
