"""Kannel (Debian package kannel) as a customer: bearerbox binds to us; smsbox takes texts, and calls URLs for ends."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import pytest

from bench.ports import free_port
from tests.services.programs import KANNEL, missing, program
from tests.support.waiting import wait_until

_CONFIGURATION = """group = core
admin-port = {admin}
admin-password = test
smsbox-port = {smsbox}
box-allow-ip = 127.0.0.1
log-file = {place}/bearerbox.log
log-level = 1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = gateway
host = 127.0.0.1
port = {gateway}
transceiver-mode = true
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
max-pending-submits = 50

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
global-sender = BANK
log-file = {place}/smsbox.log
log-level = 1

group = sendsms-user
username = test
password = test
concatenation = true
max-messages = 10

group = sms-service
keyword = default
get-url = "{inbound}"
max-messages = 0
"""


@dataclass(frozen=True)
class Kannel:
    """Where it takes texts; `place` has its logs."""

    port: int
    admin: int
    place: Path

    def send(self, to: str, text: str, *, receipt_url: str, coding: int | None = None) -> None:
        """Hand it a text; %d in the URL becomes the kind of the receipt (1 delivered, 2 not, 8 taken, 16 refused)."""
        asked = {"username": "test", "password": "test", "to": to, "text": text, "charset": "UTF-8", "dlr-mask": 31}
        asked |= {} if coding is None else {"coding": coding}
        url = f"http://127.0.0.1:{self.port}/cgi-bin/sendsms?{urlencode(asked)}&dlr-url={quote(receipt_url, safe='')}"
        with urlopen(url, timeout=20) as answer:
            assert answer.status == 202, answer.read()

    def bound(self) -> bool:
        """Whether its bind to us is up."""
        with urlopen(f"http://127.0.0.1:{self.admin}/status.txt?password=test", timeout=5) as answer:
            return b"online" in answer.read()


@contextlib.contextmanager
def kannel(place: Path, *, gateway: int, system_id: str, password: str, inbound: str) -> Iterator[Kannel]:
    """Both boxes, bound to the gateway's port; `inbound` is called for texts from handsets."""
    if line := missing(KANNEL):
        pytest.fail(line, pytrace=False)
    ports = {name: free_port() for name in ("admin", "smsbox", "http")}
    file = place / "kannel.conf"
    file.write_text(
        _CONFIGURATION.format(
            **ports, place=place, gateway=gateway, system_id=system_id, password=password, inbound=inbound
        )
    )
    running: list[subprocess.Popen[bytes]] = []
    found = Kannel(ports["http"], ports["admin"], place)
    try:
        for name in KANNEL.programs:
            with (place / f"{name}.out").open("wb") as out:
                command = [program(name) or name, str(file)]
                running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
            wait_until(lambda: _listens(ports["smsbox" if len(running) == 1 else "http"]), timeout=20)
        wait_until(found.bound, timeout=20, step=0.1)
        yield found
    finally:
        for process in reversed(running):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
