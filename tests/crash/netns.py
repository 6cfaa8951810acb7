"""Hosts of one machine: network namespaces with an address of their own, joined to us by a cable that can be cut.

Their processes have process ids and a host name of their own as well, so that nothing of what they are told, and
nothing that they could look up, says that they run on one machine. Needs root, `ip` and `unshare`; all of it goes away
with the block.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import uvloop

from tests.support.embedded import ROOT
from tests.support.waiting import wait_until

NETWORK = "10.213"  # .<run>.<host>: ours alone, and routed nowhere


def missing() -> str:
    """What keeps us from making hosts, in a sentence; empty when nothing does."""
    if os.geteuid():
        return "network namespaces need root"
    for tool in ("ip", "unshare", "sysctl"):
        if shutil.which(tool) is None:
            return f"network namespaces need the program {tool}"
    name = f"try{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("link", "add", f"t{os.getpid()}", "type", "veth", "peer", "name", f"u{os.getpid()}")
    except subprocess.CalledProcessError as error:
        return f"this kernel makes no network namespace with a cable: {error.stderr.strip()}"
    finally:
        _try("link", "del", f"t{os.getpid()}")
        _try("netns", "del", name)
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _try(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=False, capture_output=True)


@dataclass(slots=True)
class Host:
    """One of them. `processes` are those that we started there, by name."""

    name: str
    namespace: str
    cable: str  # our end
    address: str
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: str, log: Path) -> None:
        """Run a command there, the first process of its own space of processes."""
        inside = f"hostname {self.name} && {command}"
        line = [
            "ip", "netns", "exec", self.namespace,
            "unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", inside,
        ]  # fmt: skip
        with log.open("ab") as file:
            self.processes[name] = subprocess.Popen(line, cwd=ROOT, env=self.environment, stdout=file, stderr=file)

    def family(self) -> list[psutil.Process]:
        """Every process that runs there."""
        found: list[psutil.Process] = []
        for process in self.processes.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                first = psutil.Process(process.pid)
                found += [first, *first.children(recursive=True)]
        return found

    def alive(self) -> bool:
        """Whether everything that was started there runs."""
        return bool(self.processes) and all(process.poll() is None for process in self.processes.values())

    def cut(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self.cable, "down")

    def join(self) -> None:
        """Put it back."""
        _ip("link", "set", self.cable, "up")

    def kill(self) -> None:
        """The power fails: SIGKILL to all at once, and nobody says good-bye on the network."""
        self.cut()
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self.processes.values():
            process.wait(20)

    def freeze(self) -> None:
        """SIGSTOP to all within a moment: they are looked for before the first one stands still."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """SIGCONT."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@dataclass(slots=True)
class Network:
    """The hosts, and the address under which they reach us."""

    gate: str
    hosts: dict[str, Host]


@contextmanager
def network(*names: str) -> Iterator[Network]:
    """Hosts of these names; afterwards their processes and everything that we made are gone."""
    run = os.getpid() % 250
    gate = f"{NETWORK}.{run}.254"
    made = Network(gate, {})
    try:
        _ip("address", "add", f"{gate}/32", "dev", "lo")
        for number, name in enumerate(names):
            made.hosts[name] = _host(name, run, number, gate)
        yield made
    finally:
        for host in made.hosts.values():
            host.thaw()
            host.kill()
            _try("link", "del", host.cable)
            _try("netns", "del", host.namespace)
        _try("address", "del", f"{gate}/32", "dev", "lo")


def _host(name: str, run: int, number: int, gate: str) -> Host:
    ours, theirs = f"{NETWORK}.{run}.{4 * number + 1}", f"{NETWORK}.{run}.{4 * number + 2}"
    namespace, cable, end = f"gw{run}{name}", f"gw{run}{name}", f"gw{run}{name}e"
    host = Host(name, namespace, cable, theirs)
    _ip("netns", "add", namespace)
    _ip("link", "add", cable, "type", "veth", "peer", "name", end)
    _ip("link", "set", end, "netns", namespace)
    _ip("address", "add", f"{ours}/30", "dev", cable)
    _ip("link", "set", cable, "up")
    for arguments in (
        ("address", "add", f"{theirs}/30", "dev", end),
        ("link", "set", end, "up"),
        ("link", "set", "lo", "up"),
        ("route", "add", gate, "via", ours),
    ):
        _ip("-n", namespace, *arguments)
    return host


@contextmanager
def relays(gate: str, ports: Sequence[int]) -> Iterator[None]:
    """What comes to these ports of `gate` goes to the same ports of 127.0.0.1; each has a process of its own."""
    command = [sys.executable, "-m", "tests.crash.netns", gate]
    running = [subprocess.Popen([*command, str(port)], cwd=ROOT) for port in ports]
    try:
        for port in ports:
            wait_until(lambda port=port: _listens(gate, port), timeout=30, step=0.1)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


async def _forward(gate: str, port: int) -> None:
    server = await asyncio.start_server(_relay(port), gate, port, backlog=1024)
    await server.serve_forever()


def _relay(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))

    return serve


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # the other side has gone: uvloop says so by RuntimeError
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    uvloop.run(_forward(sys.argv[1], int(sys.argv[2])))
