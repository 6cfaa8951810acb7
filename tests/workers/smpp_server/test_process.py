"""The server as a process: a reload leaves no gap, and a database that says nothing is told in time (P3)."""

import asyncio
import json
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from smpp.constants import CommandStatus as S
from smpp.pdu import BindTransceiver, SubmitSm
from tests.house.test_fleet_posts import Runner, lives
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until
from tests.workers.smpp_server.cast import NUMBER, Esme, link, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TOLD_WITHIN = 2.0  # seconds


class Relay:
    """Stands before the suite's PostgreSQL, which must not be frozen: while `flows` is clear, nothing comes through."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.flows = threading.Event()
        self.flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.flows.set()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listening.accept()[0]
            except OSError:  # closed
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    self.flows.wait()
                    octets = ready.recv(65536)
                    if not octets:
                        return
                    (far if ready is near else near).sendall(octets)


@pytest.fixture
def relay_and_fleet(tmp_path: Path) -> Iterator[tuple[Relay, Fleet]]:
    """The data of a demo, reached through a relay; no process runs yet."""
    with Fleet(tmp_path) as fleet:
        address = urlsplit(fleet.environment["DATABASE_URL"])
        relay = Relay(address.hostname or "127.0.0.1", address.port or 5432)
        login = address.netloc.rpartition("@")[0]
        through = f"{login}@127.0.0.1:{relay.port}" if login else f"127.0.0.1:{relay.port}"
        fleet.environment["DATABASE_URL"] = urlunsplit(address._replace(netloc=through))
        yield relay, fleet
        relay.close()


async def bound(place: Path) -> Esme:
    """A bind of the demo's client."""
    who = json.loads((place / "demo.json").read_text())["smpp"]
    esme = await link(who["port"])
    answer = await esme.request(BindTransceiver(system_id=who["system_id"], password=who["password"]))
    assert answer.status == 0
    return esme


def a_text() -> SubmitSm:
    return SubmitSm(destination_addr=NUMBER, short_message=b"Hello")


async def told(esme: Esme) -> tuple[int, float]:
    """The status that answers a text, and after how many seconds."""
    began = time.monotonic()
    return (await esme.request(a_text())).status, time.monotonic() - began


def test_a_frozen_database_is_told_in_two_seconds_and_a_reload_leaves_no_gap(relay_and_fleet, tmp_path):
    relay, fleet = relay_and_fleet
    command = "exec python manage.py run_smpp_server --share-port"
    runner = Runner(tmp_path, {"smpp": command}, {"STOP_SECONDS": 45.0}, fleet.environment)
    runs = tmp_path / "run"

    def works(*former: int) -> int:
        pid = wait_until(lambda: (found := runner.pid("smpp")) not in (0, *former) and found, timeout=60)
        wait_until((runs / f"smpp.{pid}.alive").exists, timeout=60)
        return int(pid)

    async def frozen() -> None:
        esme = await bound(tmp_path)
        assert (await told(esme))[0] == 0
        relay.flows.clear()
        first, second = await told(esme), await told(esme)
        relay.flows.set()
        assert (first[0], second[0]) == (S.ESME_RSYSERR, S.ESME_RSYSERR)
        assert first[1] < TOLD_WITHIN and second[1] < TOLD_WITHIN / 4, (first, second)
        async with asyncio.timeout(20):
            while (await told(esme))[0]:  # noqa: ASYNC110 - the server must notice by itself
                await asyncio.sleep(0.1)
        await esme.close()

    async def reloaded(former: int) -> None:
        esme = await bound(tmp_path)
        runner.process.send_signal(signal.SIGHUP)
        await until(lambda: esme.connection.closed, 90)
        again = await bound(tmp_path)  # at once: the successor listened before the old one left
        assert (await told(again))[0] == 0
        await again.close()
        assert works(former) != former

    try:
        former = works()
        asyncio.run(frozen())
        asyncio.run(reloaded(former))
        wait_until(lambda: not lives(former), timeout=50)
    finally:
        status = runner.stop()
    assert status == 0, runner.log()
