"""The processes of the Procfile on a database of their own, as `make up` starts them."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings

from bench.ports import free_port
from common.queues import Lane, Work, submit_queue, work_queue
from tests.support.embedded import ROOT
from tests.support.leftovers import delete_queues
from tests.support.waiting import wait_until


class Fleet:
    """A fleet in `place` on the services of the suite; `name` is its database."""

    def __init__(self, place: Path) -> None:
        self.place, self.name = place, f"test_fleet_{os.getpid()}"
        self.port, self.simulator_port = free_port(), free_port()
        self._services = urlsplit(os.environ["DATABASE_URL"])
        bins = str(Path(sys.executable).parent)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "GATEWAY_"))},
            "PATH": f"{bins}:{os.environ['PATH']}",
            "DATABASE_URL": urlunsplit(self._services._replace(path=f"/{self.name}")),
            "GATEWAY_QUEUE_PREFIX": f"{settings.GATEWAY_QUEUE_PREFIX}fleet.",
            "GATEWAY_VAR": str(place),
            "GATEWAY_HTTP_PORT": str(self.port),
            "GATEWAY_SIMULATOR_PORT": str(self.simulator_port),
            "GATEWAY_SMPP_PORT": str(free_port()),
            "OUTBOUND_HTTP_ALLOW": "127.0.0.0/8",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Fleet":
        self._sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)', f'CREATE DATABASE "{self.name}"')
        self.manage("migrate", "--no-input", "-v", "0")
        self.manage("provision_demo")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        mine = [work_queue(work) for work in Work] + [submit_queue("smpp1", lane) for lane in Lane]
        suite, fleet = settings.GATEWAY_QUEUE_PREFIX, self.environment["GATEWAY_QUEUE_PREFIX"]
        delete_queues({name.replace(suite, fleet, 1) for name in mine})

    def manage(self, *arguments: str) -> None:
        """Run a manage.py command on its data."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start every process and wait until the web answers that it can work."""
        with (self.place / "fleet.log").open("ab") as log:
            command = [sys.executable, "-m", "gateway_project.fleet"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self._is_ready(), timeout=60, step=0.1)
        assert self.process.poll() is None, self.log()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log(self) -> str:
        """What the processes said."""
        return (self.place / "fleet.log").read_text()

    def send(self, body: dict[str, Any], **headers: str) -> str:
        """POST a message with the demo key; its id."""
        key = json.loads((self.place / "demo.json").read_text())["api_key"]
        named = {"Content-Type": "application/json", "X-API-Key": key, **headers}
        url = f"http://127.0.0.1:{self.port}/api/v1/messages"
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode(), named), timeout=20
        ) as answer:
            return str(json.loads(answer.read())["message_id"])

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _sql(self, *statements: str) -> None:
        target = urlunsplit(self._services._replace(scheme="postgresql", path="/postgres"))
        with psycopg.connect(target, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
