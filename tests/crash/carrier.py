"""The carrier: a simulator in a process of its own that no fault touches, with a journal of all that it took."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from bench.ports import free_port
from tests.support.embedded import ROOT
from tests.support.waiting import wait_until


class Carrier:
    """`manage.py simulate_smsc`; answers after 5 to 40 ms by default, receipts after 50 to 300 ms more."""

    def __init__(self, place: Path, seed: int, *, host: str = "127.0.0.1", answer_ms: str = "5-40") -> None:
        self.journal = place / "carrier.jsonl"
        self.port, self._control = free_port(), free_port()
        command = [
            sys.executable, "manage.py", "simulate_smsc", "--host", host, "--port", str(self.port),
            "--control-port", str(self._control), "--answer-ms", answer_ms, "--delay-ms", "50-300",
            "--seed", str(seed), "--journal", str(self.journal),
        ]  # fmt: skip
        embedded = {"GATEWAY_VAR": str(place / "carrier")}  # no store of the fleet: it is somebody else's machine
        stores = ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "DJANGO_SETTINGS_MODULE")
        environment = {name: value for name, value in os.environ.items() if name not in stores} | embedded
        with (place / "carrier.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        wait_until(self._answers, timeout=60, step=0.2)

    def counters(self) -> dict[str, Any]:
        """What it counted."""
        found: dict[str, Any] = self._ask("/counters")
        return found

    def unanswered(self) -> int:
        """submit_sm that it has taken and owes an answer: what the windows of its customers hold."""
        now = self.counters()
        return int(now["submits"] - sum(now["answers"].values()) - now["answers_withheld"] - now["answers_lost"])

    def behave(self, **settings: Any) -> None:
        """Change how it behaves."""
        self._ask("/behaviour", settings)

    def disconnect(self, kind: str = "rst") -> int:
        """End every session; how many there were."""
        return int(self._ask("/disconnect", {"kind": kind})["sessions"])

    def stop(self) -> None:
        """End it; the journal is complete."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError("the simulated carrier ended")
        try:
            return bool(self.counters())
        except OSError:
            return False

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        url = f"http://127.0.0.1:{self._control}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=5) as answer:
            return json.loads(answer.read())
