"""The broker side of the bind worker: one thread that consumes hints and settles them.

A body is acked once the claim of its last id has committed, so a worker that dies leaves its hints to
others. Losing every queue costs two seconds: a lane without hints is claimed from the table.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import structlog
from kombu import Connection, Consumer

from common.bus import durable_queue, transport_options

log = structlog.get_logger(__name__)

PREFETCH = 32  # bodies a lane
POLL = 0.02  # seconds; only the in-memory broker needs to be asked, 24 idle queues at 10 ms cost 3 % of a core
TICK = 1.0  # seconds between heartbeat checks
Settle = Callable[[bool], None]
OnBody = Callable[[str, list[UUID], Settle], None]


class HintConsumer:
    """Consumes the given queues in a thread; `on_body(queue, ids, settle)` runs in that thread."""

    def __init__(self, url: str, on_body: OnBody) -> None:
        self._url, self._on_body = url, on_body
        self._in_memory = url.startswith("memory")
        self._wanted: set[str] = set()
        self._commands: deque[Callable[[], None]] = deque()
        self._awake, self._alarm = socket.socketpair()
        self._awake.setblocking(False)
        self._alarm.setblocking(False)
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
        with contextlib.suppress(OSError):  # full wakes as well, closed needs no waking
            self._alarm.send(b"!")

    def _run(self) -> None:
        pause = 0.1
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._connect_and_serve()
            except Exception as error:  # whatever the transport raises: connect again, the table is the record
                log.warning("hints_reconnect", error=str(error))
                pause = min(pause * 2, 5.0) if time.monotonic() - began < 5.0 else 0.1
                self._closing.wait(pause)
            finally:
                # Bodies of the old channel are the broker's again; a tag is good on its own channel only.
                self._channel, self._consumers = None, {}
                self._generation += 1
        self._awake.close()
        self._alarm.close()

    def _connect_and_serve(self) -> None:
        options = {**transport_options(self._url), **({"polling_interval": POLL} if self._in_memory else {})}
        with Connection(self._url, heartbeat=10, connect_timeout=3, transport_options=options) as connection:
            connection.connect()
            self._channel = connection.channel()
            if not self._in_memory:
                self._channel.basic_qos(0, PREFETCH, False)  # RabbitMQ: for each consumer
            self._align()
            self._serve_in_memory(connection) if self._in_memory else self._serve(connection)

    def _serve_in_memory(self, connection: Connection) -> None:
        while not self._closing.is_set():
            self._obey()
            self._drain(connection, 0.1)

    def _serve(self, connection: Connection) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.connection.sock, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            beat = time.monotonic()
            while not self._closing.is_set():
                self._obey()
                if any(key.fileobj is self._awake for key, _ in selector.select(TICK)):
                    self._quieten()
                self._drain(connection, 0.0005)
                if time.monotonic() - beat >= TICK:
                    connection.heartbeat_check()
                    beat = time.monotonic()

    def _quieten(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._awake.recv(4096)

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
            except (TypeError, KeyError, ValueError, AttributeError) as error:
                _reject(message, error)
                return

            def settle(done: bool) -> None:
                def act() -> None:
                    if generation == self._generation:
                        message.ack() if done else message.requeue()

                self._command(act)

            self._on_body(name, ids, settle)

        return receive


def _reject(message: Any, error: Exception) -> None:
    """Poison: no claim could come of it; the rows are found in the table."""
    log.error("undecodable_hint", error=repr(error))
    message.reject(requeue=False)
