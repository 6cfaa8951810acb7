"""What a fault is, and what it may touch: the protocol between the nemesis and the kinds of faults.

A kind of fault is one object with a unique `name`. The nemesis calls `strike`, which breaks something and returns when
the breaking is over (a stopped store runs again, a sleeper was woken; a kill -9 is over at once). Nothing but the
product's own supervisor restarts a process of the fleet; stores, which the product does not own, are started again by
the fault that stopped them. Then the nemesis waits until `settled` is true and the service is whole again (a message
that was sent after the end of the fault was acknowledged and told by webhook), and takes the times.
"""

import random
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Details = dict[str, Any]  # JSON values


class Family(StrEnum):
    """What is broken: it decides the recovery target of the report (seconds, reliability P9)."""

    PROCESS = "process"  # < 10 s
    BINDS = "binds"  # < 15 s
    STORE = "store"  # < 30 s after the store is back
    CARRIER = "carrier"  # < 15 s
    TASK = "task"  # < 10 s: poison in a queue


TARGET_SECONDS = {
    Family.PROCESS: 10.0, Family.BINDS: 15.0, Family.STORE: 30.0, Family.CARRIER: 15.0, Family.TASK: 10.0,
}  # fmt: skip


class Answer(NamedTuple):
    """What one probe got: HTTP status (0: connection refused, cut or timed out) and how long it took in seconds."""

    status: int
    seconds: float


class Postgres(Protocol):
    """The private PostgreSQL (tests.crash.stores)."""

    url: str

    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def restart_immediate(self) -> None: ...
    def terminate_backends(self) -> int: ...


class Rabbit(Protocol):
    """The private RabbitMQ."""

    url: str

    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def reset(self) -> None: ...


class Redis(Protocol):
    """The private Redis."""

    url: str

    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def flush(self) -> None: ...


class Stores(Protocol):
    """The three private stores; `environment` is what the fleet gets: DATABASE_URL, BROKER_URL, CACHE_URL."""

    postgres: Postgres
    rabbit: Rabbit
    redis: Redis

    @property
    def environment(self) -> dict[str, str]: ...


class Fleet(Protocol):
    """The processes of the product under the product's own supervisor. `name` is that of the Procfile."""

    names: tuple[str, ...]  # web, worker, deliveries, beat, binds

    def pid(self, name: str) -> int | None:
        """The process of this name that runs now; None between death and restart."""

    def children(self, name: str) -> list[int]:
        """Its children that run now: web workers, pool children."""

    def alive(self) -> bool:
        """Whether every name has a process."""

    def roll(self, name: str) -> None:
        """SIGTERM to this process, as a deploy does; the supervisor brings the next one."""


class Load(Protocol):
    """The senders. Times are time.monotonic()."""

    acknowledged: int
    refused: int

    def first_acknowledged_after(self, moment: float) -> float | None:
        """When the first message that was *sent* after `moment` was acknowledged."""

    def first_told_after(self, moment: float) -> float | None:
        """When the first message that was sent after `moment` was told final by webhook."""

    def probe(self, timeout: float = 10.0) -> Answer:
        """Send one message of its own now, journalled like any other; what came back and how fast."""

    def answers_since(self, moment: float) -> list[Answer]:
        """All answers to requests that were sent since."""

    def pending(self) -> int:
        """Acknowledged messages whose final webhook has not come yet."""


class Carrier(Protocol):
    """The simulated carrier, outside the fleet."""

    def counters(self) -> dict[str, Any]: ...
    def behave(self, **settings: Any) -> None: ...
    def disconnect(self, kind: str = "rst") -> int: ...


class World(Protocol):
    """Everything a fault may touch."""

    place: Path  # journals and logs of this run
    environment: dict[str, str]  # of the fleet's processes: enough to run manage.py beside it
    stores: Stores
    fleet: Fleet
    load: Load
    carrier: Carrier

    def note(self, event: str, **details: Any) -> None:
        """One line in the log of the run (nemesis.jsonl)."""

    def wait(self, condition: Callable[[], Any], timeout: float, step: float = 0.05) -> bool:
        """Whether the condition became true within `timeout` seconds."""

    def manage(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run a manage.py command against the stores; its standard output; raises CalledProcessError."""


class Fault(Protocol):
    """A kind of fault."""

    name: str  # unique, in lower case with dashes: kill-binds, rabbit-stop-60
    family: Family

    def strike(self, world: World, rng: random.Random) -> Details:
        """Break something and return when the breaking is over, with what is worth telling.

        What cannot be done now (no such process at this moment) raises `Skipped` with the reason.
        """

    def settled(self, world: World) -> bool:
        """Whether what was broken is back; asked every 0.1 s after the strike, beside the general measures."""


class Skipped(Exception):
    """The fault could not be done this time; it does not count."""
