"""The simulator on a loop and thread of its own, for synchronous tests and the embedded gateway."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

import uvloop

from workers.simulator.config import SimulatorConfig
from workers.simulator.messages import Message
from workers.simulator.server import Simulator

T = TypeVar("T")
_START_SECONDS = 10.0


class SimulatorThread:
    """`with SimulatorThread(config) as smsc:`; every deed runs on the simulator's loop and returns when done."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self._simulator = Simulator(config)
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="smsc-simulator", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the socket listens; raises OSError if the port is taken."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._simulator.start(), self._loop).result(_START_SECONDS)
        except BaseException:
            self._end()
            raise

    def stop(self, grace: float = 2.0) -> None:
        """Unbind and close; return when the thread has ended. Harmless when repeated."""
        if not self._thread.is_alive():
            return
        try:
            asyncio.run_coroutine_threadsafe(self._simulator.stop(grace), self._loop).result(grace + _START_SECONDS)
        finally:
            self._end()

    def call(self, deed: Callable[[Simulator], T]) -> T:
        """Run `deed(simulator)` on the simulator's loop and return its result."""

        async def run() -> T:
            return deed(self._simulator)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_SECONDS)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.call(lambda smsc: smsc.port)

    @property
    def control_port(self) -> int | None:
        """The port of the control server, None without one."""
        return self.call(lambda smsc: smsc.control_port)

    @property
    def counters(self) -> dict[str, Any]:
        """The counters as JSON values."""
        return self.call(lambda smsc: smsc.snapshot())

    @property
    def messages(self) -> list[Message]:
        """The accepted messages that are still kept, oldest first."""
        return self.call(lambda smsc: smsc.messages)

    def configure(self, **changes: Any) -> None:
        """See Simulator.configure."""
        self.call(lambda smsc: smsc.configure(**changes))

    def send_mo(self, source: str, destination: str, text: str, **shape: Any) -> int:
        """See Simulator.send_mo."""
        return self.call(lambda smsc: smsc.send_mo(source, destination, text, **shape))

    def disconnect(self, kind: str = "rst", *, system_id: str = "") -> int:
        """See Simulator.disconnect."""
        return self.call(lambda smsc: smsc.disconnect(kind, system_id=system_id))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()
