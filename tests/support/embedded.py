"""The embedded gateway as a child process that can be killed and started again on the same data."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "DJANGO_SETTINGS_MODULE", "GATEWAY_QUEUE_PREFIX", "SECRET_KEY")

START_LIMIT = 120  # seconds; it makes its tables first, and the machine may have other things to do


class EmbeddedGateway:
    """`manage.py run_gateway` in `place`; `simulator_port` 0 lets it bring its own simulator."""

    def __init__(self, place: Path, **environment: str) -> None:
        self.place = place
        self.port, self.simulator_port = free_port(), free_port()
        clean = {name: value for name, value in os.environ.items() if name not in (*OURS, "FIELD_ENCRYPTION_KEYS")}
        self.environment = clean | {
            "GATEWAY_VAR": str(place),
            "GATEWAY_HTTP_PORT": str(self.port),
            "GATEWAY_SIMULATOR_PORT": str(self.simulator_port),
            "GATEWAY_SMPP_PORT": str(free_port()),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "manage.py", "run_gateway", "--quiet-webhooks", *options]
        with (self.place / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.get("/readyz")[0] == 200, timeout=START_LIMIT)
        if self.process.poll() is not None:
            raise AssertionError((self.place / "gateway.log").read_text()[-3000:])

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def facts(self) -> dict[str, Any]:
        """var/demo.json."""
        return json.loads((self.place / "demo.json").read_text())

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a GET; (0, None) when nobody answers."""
        return self._call(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers))

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a POST of JSON with the demo key."""
        named = {"Content-Type": "application/json", "X-API-Key": self.facts["api_key"], **headers}
        data = json.dumps(body).encode()
        return self._call(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, named))

    @staticmethod
    def _call(request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except (OSError, http.client.HTTPException):  # killed before or in the middle of its answer
            return 0, None

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command on the same data."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60)
