"""Private stores that may be killed: own directories, own ports that stay the same over every restart, fsync on.

Two runs may have theirs at once. What is broken here is never a store of the machine; `private_stores()` ends it all.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
import redis

from bench.ports import free_port
from tests.services import private
from tests.services.answering import POSTGRESQL, RABBITMQ, REDIS, Service, Unusable
from tests.services.private import Room, await_login, end, find_binary, postgresql_folders, room_for

CONTROL_SECONDS: Final = 60  # rabbitmqctl starts a whole Erlang machine, on a busy one


class Store:
    """One server that is started, broken and started again on the same port and directory."""

    service: Service
    polite = signal.SIGTERM
    url: str

    def __init__(self, room: Room) -> None:
        self.room, self.port = room, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}

    @property
    def running(self) -> bool:
        """Whether its first process lives (frozen ones do)."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it and wait until it lets us in; does nothing when it runs. Raises Unusable."""
        if self.running:
            return
        self.process = self.room.spawn(self._command(), self._environment())
        await_login(self.service, self.url, self.process, self.room)

    def stop(self) -> None:
        """End it politely, as an operator would; returns when it is gone."""
        if self.process is not None:
            self.thaw()
            end(self.process, self.polite)
            self._bury()

    def kill(self) -> None:
        """SIGKILL to every process of it at once."""
        family = self._family()
        for member in family:
            _signal(member, signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        self._bury()

    def freeze(self) -> None:
        """SIGSTOP to every process of it: it refuses nothing and answers nothing."""
        for member in self._family():
            _signal(member, signal.SIGSTOP)
        for member in self._family():  # born meanwhile
            _signal(member, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        for member in self._family():
            _signal(member, signal.SIGCONT)

    def _family(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def _bury(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None


def _signal(process: psutil.Process, sign: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(sign)


class Postgres(Store):
    """A cluster with fsync and synchronous commits."""

    service = POSTGRESQL
    polite = signal.SIGINT  # "fast": it does not wait for clients to leave

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._data = room.path / "data"
        self.url = self.url_of("gateway")
        binary = private.binary_of(POSTGRESQL)
        if binary is None:
            raise Unusable("PostgreSQL is not installed")
        create = [binary, "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        if room.spawn(create).wait(private.START_SECONDS):
            raise Unusable(f"initdb failed: {room.log_tail()}")
        self._server = find_binary("postgres", [Path(binary).resolve().parent, *postgresql_folders()]) or "postgres"

    def url_of(self, database: str, port: int | None = None) -> str:
        """The URL of a database, through another port when something stands before the server."""
        return f"postgres://postgres@127.0.0.1:{port or self.port}/{database}"

    def _command(self) -> list[str]:
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "max_connections=200", "fsync=on"]
        flags = [part for option in options for part in ("-c", option)]
        return [self._server, "-D", str(self._data), "-k", str(self.room.path), *flags]

    def create(self, database: str = "gateway") -> None:
        """Make a fresh database; what had its name is gone."""
        with self.session() as session:
            session.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            session.execute(f'CREATE DATABASE "{database}"')

    @contextmanager
    def session(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """An operator's connection, autocommit."""
        url = self.url_of(database).replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as session:
            yield session

    def value(self, sql: str, *, database: str = "gateway") -> Any:
        """The first column of the first row."""
        with self.session(database) as session:
            row = session.execute(sql).fetchone()
            assert row is not None
            return row[0]

    def restart_immediate(self) -> None:
        """What `pg_ctl restart -m immediate` does: SIGQUIT, no checkpoint, recovery at the next start."""
        if self.process is not None:
            end(self.process, signal.SIGQUIT)
            self._bury()
        self.start()

    def backends(self) -> list[int]:
        """Process numbers of the clients' sessions but for our own."""
        with self.session() as session:
            found = session.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return [row[0] for row in found]

    def kill_backend(self, pid: int) -> None:
        """SIGKILL to one session: the postmaster throws all the others out and recovers."""
        os.kill(pid, signal.SIGKILL)

    def terminate_backends(self) -> int:
        """End every session as an operator would; returns how many there were."""
        with self.session() as session:
            ended = session.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "  # waits until it is gone
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return len(ended.fetchall())


class Rabbit(Store):
    """A broker node with its own name, cookie and port mapper."""

    service = RABBITMQ

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        binary, mapper = private.binary_of(RABBITMQ), find_binary("epmd", [])
        if binary is None or mapper is None:
            raise Unusable("RabbitMQ is not installed")
        self._server = binary
        self._control = find_binary("rabbitmqctl", [private.RABBITMQ_BINARIES]) or "rabbitmqctl"
        self._node = private.rabbitmq_node(room, port=self.port, mapper_port=free_port())
        self.mapper = room.spawn([mapper], self._node)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def _command(self) -> list[str]:
        return [self._server]

    def _environment(self) -> dict[str, str]:
        return self._node

    def ctl(self, *arguments: str) -> None:
        """Run rabbitmqctl on this node; raises CalledProcessError."""
        command = [self._control, *arguments]
        status = self.room.spawn(command, self._node).wait(CONTROL_SECONDS)
        if status:
            raise subprocess.CalledProcessError(status, command, self.room.log_tail())

    def reset(self) -> None:
        """Forget every queue, message and user but the first, as `rabbitmqctl reset` does."""
        self.ctl("stop_app")
        self.ctl("reset")
        self.ctl("start_app")

    def lose_disk(self) -> None:
        """kill -9, and its directory is gone; it stays down."""
        self.kill()
        shutil.rmtree(self.room.path / "mnesia", ignore_errors=True)

    def close_connections(self) -> None:
        """What an operator does to all clients at once."""
        self.ctl("close_all_connections", "for a test")

    def end(self) -> None:
        """Stop the node and its port mapper."""
        self.stop()
        end(self.mapper, signal.SIGTERM)


class Redis(Store):
    """A server that keeps nothing on disk: whenever it starts, it is empty."""

    service = REDIS

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        binary = private.binary_of(REDIS)
        if binary is None:
            raise Unusable("Redis is not installed")
        self._server = binary
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"]
        return [self._server, *options]

    @contextmanager
    def _client(self) -> Iterator[redis.Redis]:
        client = redis.Redis.from_url(self.url, socket_timeout=5)
        try:
            yield client
        finally:
            client.close()

    def flush(self) -> None:
        """FLUSHALL."""
        with self._client() as client:
            client.flushall()

    def kill_clients(self) -> int:
        """Cut every other connection; returns how many."""
        with self._client() as client:
            return int(client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))


@dataclass(frozen=True, slots=True)
class Stores:
    """The three of them, running."""

    postgres: Postgres
    rabbit: Rabbit
    redis: Redis

    @property
    def environment(self) -> dict[str, str]:
        """What a fleet needs to know to use them."""
        return {"DATABASE_URL": self.postgres.url, "BROKER_URL": self.rabbit.url, "CACHE_URL": self.redis.url}


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """PostgreSQL alone, with the database `gateway`."""
    with ExitStack() as stack:
        yield _postgres(stack)


@contextmanager
def private_rabbit() -> Iterator[Rabbit]:
    """RabbitMQ alone."""
    with ExitStack() as stack:
        yield _rabbit(stack)


@contextmanager
def private_redis() -> Iterator[Redis]:
    """Redis alone."""
    with ExitStack() as stack:
        yield _redis(stack)


@contextmanager
def private_stores() -> Iterator[Stores]:
    """All three, started, with the database `gateway`; ended and removed afterwards."""
    with ExitStack() as stack:
        yield Stores(_postgres(stack), _rabbit(stack), _redis(stack))


def _postgres(stack: ExitStack) -> Postgres:
    store = Postgres(stack.enter_context(room_for("postgres")))
    stack.callback(store.stop)
    store.start()
    store.create()
    return store


def _rabbit(stack: ExitStack) -> Rabbit:
    store = Rabbit(stack.enter_context(room_for("rabbitmq")))
    stack.callback(store.end)
    store.start()
    return store


def _redis(stack: ExitStack) -> Redis:
    store = Redis(stack.enter_context(room_for("redis")))
    stack.callback(store.stop)
    store.start()
    return store


def down_for(store: Store, seconds: float) -> None:
    """Stop the store, wait, start it: the minutes of an outage are real time."""
    store.stop()
    time.sleep(seconds)
    store.start()
