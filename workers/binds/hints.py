"""The broker side of the bind worker: one thread that consumes hints and settles them.

A body is acked once the claim of its last id has committed, so a worker that dies leaves its hints to
others. Losing every queue costs two seconds: a lane without hints is claimed from the table.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import structlog
from kombu import Connection, Consumer

from common.bus import durable_queue, transport_options

log = structlog.get_logger(__name__)

PREFETCH = 32  # bodies a lane
POLL = 0.01  # seconds; only the in-memory broker needs to be asked
TICK = 1.0  # seconds between heartbeat checks
Settle = Callable[[bool], None]
OnBody = Callable[[str, list[UUID], Settle], None]


class HintConsumer:
    """Consumes the given queues in a thread; `on_body(queue, ids, settle)` runs in that thread."""

    def __init__(self, url: str, on_body: OnBody) -> None:
        self._url, self._on_body = url, on_body
        self._wanted: set[str] = set()
        self._commands: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._closing = threading.Event()
        self._consumers: dict[str, Consumer] = {}
        self._channel: Any = None
        self._generation = 0
        self._thread = threading.Thread(target=self._run, name="hints", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def listen(self, queues: Iterable[str]) -> None:
        """Consume exactly these queues from now on."""
        wanted = set(queues)

        def change() -> None:
            self._wanted = wanted
            if self._channel is not None:
                self._align()

        self._command(change)

    def close(self, timeout: float = 5.0) -> None:
        """Stop; bodies that were not settled go back to their queues."""
        self._closing.set()
        self._wake()
        self._thread.join(timeout)

    def _command(self, action: Callable[[], None]) -> None:
        self._commands.append(action)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # a full pipe wakes as well
            os.write(self._wake_write, b"!")

    def _run(self) -> None:
        pause = 0.1
        while not self._closing.is_set():
            try:
                with Connection(
                    self._url, heartbeat=10, connect_timeout=3, transport_options=transport_options(self._url)
                ) as connection:
                    connection.connect()
                    self._serve(connection)
                    pause = 0.1
            except Exception as error:  # whatever the transport raises: connect again, the table is the record
                log.warning("hints_reconnect", error=str(error))
                self._closing.wait(pause)
                pause = min(pause * 2, 5.0)
            finally:
                self._channel, self._consumers = None, {}
                self._generation += 1
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve(self, connection: Connection) -> None:
        self._channel = connection.channel()
        in_memory = self._url.startswith("memory")
        if not in_memory:
            self._channel.basic_qos(0, PREFETCH, False)  # RabbitMQ: for each consumer
        self._align()
        while not self._closing.is_set():
            self._obey()
            if in_memory:
                self._drain(connection, POLL)
                continue
            readable, _, _ = select.select([connection.fileno(), self._wake_read], [], [], TICK)
            if not readable:
                connection.heartbeat_check()
            if self._wake_read in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            self._drain(connection, 0.0005)

    def _drain(self, connection: Connection, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            for _ in range(1000):  # the transport may hold more than one frame
                connection.drain_events(timeout=timeout)

    def _obey(self) -> None:
        while self._commands:
            self._commands.popleft()()

    def _align(self) -> None:
        for name in self._wanted - set(self._consumers):
            queue = durable_queue(name)(self._channel)
            queue.declare()
            consumer = Consumer(self._channel, [queue], callbacks=[self._receiver(name)], accept=["json"])
            consumer.on_decode_error = _reject
            consumer.consume()
            self._consumers[name] = consumer
        for name in set(self._consumers) - self._wanted:
            self._consumers.pop(name).cancel()

    def _receiver(self, name: str) -> Callable[[Any, Any], None]:
        generation = self._generation

        def receive(body: Any, message: Any) -> None:
            try:
                ids = [UUID(text) for text in body["ids"]]
            except (TypeError, KeyError, ValueError, AttributeError):
                log.error("undecodable_hint", queue=name)
                message.reject(requeue=False)
                return

            def settle(done: bool) -> None:
                def act() -> None:
                    if generation == self._generation:  # a tag is good on its own channel only
                        message.ack() if done else message.requeue()

                self._command(act)

            self._on_body(name, ids, settle)

        return receive


def _reject(message: Any, error: Exception) -> None:
    log.error("undecodable_hint", error=str(error))
    message.reject(requeue=False)
