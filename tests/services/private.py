"""Throw-away services from installed binaries: own directory, own ports, gone afterwards.

Started by root, they run as their package's user, because PostgreSQL refuses root. Nothing here
touches a service of the machine: RabbitMQ gets its own node name, cookie and port mapper.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ports import free_port
from tests.services.answering import POSTGRESQL, RABBITMQ, REDIS, Service, Unusable, first_answering
from tests.support.waiting import wait_until

START_SECONDS = 90  # RabbitMQ on a busy two-core machine needs up to 30
STOP_SECONDS = 15
LAST_WORDS = 6  # lines of its log
POSTGRESQL_BINARIES = Path("/usr/lib/postgresql")
# Debian's wrapper on the PATH changes the user and uses the machine's own node: take the real script.
RABBITMQ_BINARIES = Path("/usr/lib/rabbitmq/bin")


@dataclass(frozen=True, slots=True)
class Room:
    """A directory of our own and the user that the service runs as (None: as we are)."""

    path: Path
    user: str | None

    def spawn(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `command` in its own session, so that Ctrl-C reaches the tests and not the service."""
        with (self.path / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.path,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.path), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )

    def _identity(self) -> dict[str, object]:
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def log_tail(self) -> str:
        """The last words of the service, for the line that explains a failure."""
        said = [line.strip() for line in (self.path / "log").read_text(errors="replace").splitlines()]
        # Erlang ends with a line about its dump; the reason stands some lines above it.
        return " | ".join([line for line in said if line][-LAST_WORDS:]) or "it said nothing"


def find_binary(name: str, folders: list[Path]) -> str | None:
    """The path of `name`: in `folders` first, else on the PATH."""
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


@contextmanager
def room_for(*users: str) -> Iterator[Room]:
    """Make the directory; root hands it to the first of `users` that exists."""
    path = Path(tempfile.mkdtemp(prefix="gateway-services-"))
    user = next((name for name in (*users, "nobody") if _exists(name)), None) if os.geteuid() == 0 else None
    try:
        if user:
            os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        yield Room(path, user)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _exists(user: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False


def end(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    """End the whole session of `process`, politely and then for certain."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, sign)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def await_login(service: Service, url: str, process: subprocess.Popen[bytes], room: Room) -> None:
    def answers() -> str | None:
        if process.poll() is not None:
            raise Unusable(f"a private {service.name} ended at once: {room.log_tail()}")
        return first_answering(service, (url,))

    try:
        wait_until(answers, timeout=START_SECONDS, step=0.1)
    except AssertionError as error:
        reason = f"a private {service.name} gave no answer in {START_SECONDS} s: {room.log_tail()}"
        raise Unusable(reason) from error


def _postgresql(stack: ExitStack, binary: str) -> str:
    room = stack.enter_context(room_for("postgres"))
    data, port = room.path / "data", free_port()
    create = [binary, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    if room.spawn(create).wait(START_SECONDS):
        raise Unusable(f"initdb failed: {room.log_tail()}")
    server = find_binary("postgres", [Path(binary).resolve().parent, *postgresql_folders()])
    # Thrown away with the machine, so fsync proves nothing here; commits stay synchronous.
    options = [f"port={port}", "listen_addresses=127.0.0.1", "fsync=off", "max_connections=200"]
    flags = [part for option in options for part in ("-c", option)]
    process = room.spawn([server or "postgres", "-D", str(data), "-k", str(room.path), *flags])
    stack.callback(end, process, signal.SIGINT)  # SIGINT: PostgreSQL's "fast" shutdown
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    await_login(POSTGRESQL, url, process, room)
    return url


def _redis(stack: ExitStack, binary: str) -> str:
    room, port = stack.enter_context(room_for("redis")), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"]
    process = room.spawn([binary, *options])
    stack.callback(end, process, signal.SIGTERM)
    url = f"redis://127.0.0.1:{port}/9"
    await_login(REDIS, url, process, room)
    return url


def rabbitmq_node(room: Room, *, port: int, mapper_port: int) -> dict[str, str]:
    """The environment of a node of its own, for the server, its port mapper and rabbitmqctl alike."""
    return {
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"gateway-test-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(room.path / "mnesia"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONF_ENV_FILE": str(room.path / "no-environment"),
        "RABBITMQ_CONFIG_FILE": str(room.path / "no-config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(room.path / "no-plugins"),
        "RABBITMQ_PID_FILE": str(room.path / "pid"),
        "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _rabbitmq(stack: ExitStack, binary: str) -> str:
    room, port, mapper_port = stack.enter_context(room_for("rabbitmq")), free_port(), free_port()
    node = rabbitmq_node(room, port=port, mapper_port=mapper_port)
    # Our own port mapper as our child: the one that erl would start by itself outlives everything.
    mapper = room.spawn([find_binary("epmd", []) or "epmd"], node)
    stack.callback(end, mapper, signal.SIGTERM)
    process = room.spawn([binary], node)
    stack.callback(end, process, signal.SIGTERM)
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    await_login(RABBITMQ, url, process, room)
    return url


def postgresql_folders() -> list[Path]:
    """Debian keeps one folder for each major version: the newest first."""
    found = [path for path in POSTGRESQL_BINARIES.glob("*/bin") if path.parent.name.isdigit()]
    return sorted(found, key=lambda path: int(path.parent.name), reverse=True)


STARTERS: dict[str, Callable[[ExitStack, str], str]] = {
    POSTGRESQL.name: _postgresql,
    RABBITMQ.name: _rabbitmq,
    REDIS.name: _redis,
}


def binary_of(service: Service) -> str | None:
    """The installed program that starts `service`, or None."""
    if service is POSTGRESQL:
        return find_binary("initdb", postgresql_folders())
    if service is RABBITMQ:
        return find_binary("rabbitmq-server", [RABBITMQ_BINARIES])
    return find_binary("redis-server", [])


def start(service: Service, stack: ExitStack) -> str:
    """Start a private `service`, to be stopped by `stack`; returns its URL or raises Unusable."""
    binary = binary_of(service)
    if binary is None:
        raise Unusable(f"{service.name} is not installed")
    return STARTERS[service.name](stack, binary)
