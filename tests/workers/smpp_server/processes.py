"""SMPP servers as processes of their own on the database of the test, so that they can be killed and measured."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from django.db import connection

from bench.ports import free_port
from tests.support.embedded import ROOT

_CHILD = """
import sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.SMPP_CONNECTIONS_PER_ADDRESS = int(sys.argv[3])
django.setup()
import uvloop
from common import process_number
from workers.smpp_server.service import SmppService
process_number.start()
service = SmppService(port=int(sys.argv[2]), on_ready=lambda: print("ready", flush=True))
uvloop.run(service.run())
"""


class ServerProcess:
    """One server on a port of its own."""

    def __init__(self, *, per_address: int = 200) -> None:
        self.port = free_port()
        command = [
            sys.executable,
            "-c",
            _CHILD,
            str(connection.settings_dict["NAME"]),
            str(self.port),
            str(per_address),
        ]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "gateway_project.settings.test", "LOG_LEVEL": "ERROR"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def wait_ready(self) -> None:
        """Until customers may come; raises AssertionError when it ended instead."""
        assert self._process.stdout is not None
        lines = iter(self._process.stdout.readline, b"")
        assert any(line.strip() == b"ready" for line in lines), "the server ended"

    @property
    def rss_mib(self) -> float:
        """Its resident memory."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def kill(self) -> None:
        """kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@contextmanager
def servers(count: int, **options: int) -> Iterator[list[ServerProcess]]:
    """So many servers, ready; afterwards they are killed."""
    running = [ServerProcess(**options) for _ in range(count)]
    try:
        for one in running:
            one.wait_ready()
        yield running
    finally:
        for one in running:
            one.kill()
