"""Where a message's CPU goes: microseconds a message by process and stage: `python -m bench.stages`. Prints JSON.

py-spy (tests/requirements.txt) looks at every thread that is running, 100 times a second. The CPU of each process is
measured by the kernel; its samples only divide it. A sample belongs to the innermost file of ours on its stack, and
that file to a stage (STAGES; a file that none names is a stage of its own name). What it was doing there is told
apart where it was waiting for a statement, a COPY or a COMMIT to be sent and read. Needs the right to trace
processes (root, or kernel.yama.ptrace_scope=0). Samples include the sampler's own disturbance: compare stages with
each other, and totals with bench.end_to_end.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import uvloop

from bench import gateways, smpp
from bench.gateways import Gateway
from bench.journey import Shape, measure
from bench.processes import ROOT

Load = Callable[[Gateway, int], Coroutine[Any, Any, dict[str, Any]]]
RATE = 100  # samples a second
# Tools that serve every stage: the file that called them decides.
TOOLS = ("common/sql", "common/transactions", "common/clock", "common/ids", "workers/database", "common/jobs")
STAGES: tuple[tuple[str, str], ...] = (
    ("api/send_contract", "parse and contract"),
    ("api/", "front door: credentials, limits, answer"),
    ("common/http_server", "HTTP server"),
    ("common/phone", "validation"),
    ("common/gsm", "validation"),
    ("messaging/preparation", "validation"),
    ("messaging/segments", "validation"),
    ("messaging/admission", "validation"),
    ("messaging/fields", "validation"),
    ("routing/", "routing"),
    ("billing/", "charge"),
    ("messaging/batcher", "batcher"),
    ("messaging/intake/rows", "rows of the intake"),
    ("messaging/rows", "rows locked and read"),
    ("messaging/intake", "intake transaction"),
    ("messaging/outbox", "publish"),
    ("messaging/announcing", "publish"),
    ("common/bus", "publish"),
    ("messaging/claims", "claim"),
    ("workers/binds/claiming", "claim"),
    ("workers/binds/hints", "hints from the broker"),
    ("workers/binds/feeder", "feed the window"),
    ("workers/binds/lanes", "feed the window"),
    ("workers/binds/ready", "feed the window"),
    ("workers/binds/pace", "feed the window"),
    ("workers/binds/submission", "encode"),
    ("workers/binds/writer", "encode"),
    ("smpp/stream", "socket"),
    ("smpp/session", "session"),
    ("smpp/window", "session"),
    ("smpp/", "codec"),
    ("messaging/outcomes", "result"),
    ("workers/binds/recorder", "result"),
    ("workers/binds/answers", "result"),
    ("workers/binds/verdict", "result"),
    ("messaging/lines", "receipt lines, stored and read"),
    ("messaging/receipts/line", "receipt lines, stored and read"),
    ("messaging/receipts", "receipt record"),
    ("messaging/finals", "message final, delivery rows"),
    ("messaging/deliveries", "message final, delivery rows"),
    ("messaging/traffic", "counts of traffic"),
    ("messaging/status", "status"),
    ("messaging/due", "delivery claim and result"),
    ("messaging/webhooks", "delivery claim and result"),
    ("workers/deliveries/signing", "post"),
    ("workers/deliveries", "post"),
    ("common/http", "post"),
    ("workers/smpp_server/submitting", "SMPP server: requests and answers"),
    ("workers/smpp_server/translating", "SMPP server: requests and answers"),
    ("workers/smpp_server/reading", "SMPP server: requests and answers"),
    ("workers/smpp_server/client_session", "SMPP server: requests and answers"),
    ("messaging/esme", "SMPP server: notes and receipts' facts"),
    ("messaging/client_receipts", "SMPP server: notes and receipts' facts"),
    ("messaging/mailbox", "mailbox claim and result"),
    ("workers/smpp_server/mailbox", "postman"),
    ("workers/smpp_server/flights", "postman"),
    ("workers/smpp_server/receipts_out", "postman"),
    ("workers/smpp_server/recorder", "mailbox claim and result"),
    ("workers/holding", "mailbox claim and result"),
    ("common/bell", "bell"),
    ("workers/tasks", "Celery"),
    ("gateway_project/celery", "Celery"),
    ("workers/management", "event loop"),
)
_LOOP = ("runners", "base_events", "selector_events", "events", "tasks", "futures", "transports")  # of asyncio
_FRAME = re.compile(r"^(?P<function>.+) \((?P<file>.+?)(?::\d+)?\)$")
_DOING = (("COMMIT", re.compile(r"^_?commit")), ("COPY", re.compile(r"^_?copy|^write_row|^set_types")))


def stage(stack: Iterable[str], root: Path = ROOT) -> str:
    """The stage of a stack of `function (file:line)`, outermost first."""
    doing, outside, tool = "", "", ""
    for frame in reversed(list(stack)):
        found = _FRAME.match(frame)
        if found is None:
            continue
        path = _ours(found["file"], root)
        if path is None:
            outside = outside or _package(found["file"])
            doing = doing or _statement(found["function"], found["file"])
        elif path.startswith(TOOLS):
            tool = tool or path
        else:
            name = next((name for prefix, name in STAGES if path.startswith(prefix)), path)
            return f"{name} · {doing}" if doing else name
    return tool or ("event loop" if outside in _LOOP else f"library: {outside or 'python'}")


def _ours(file: str, root: Path) -> str | None:
    path = Path(file)
    if path.is_absolute():
        if not path.is_relative_to(root) or "site-packages" in path.parts:
            return None
        path = path.relative_to(root)
    return path.with_suffix("").as_posix() if (root / path).with_suffix(".py").exists() else None


def _package(file: str) -> str:
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return Path(file).stem


def _statement(function: str, file: str) -> str:
    if "psycopg" not in file and "django/db" not in file:
        return ""
    named = next((name for name, pattern in _DOING if pattern.match(function)), "")
    return named or ("statement" if "psycopg/cursor" in file or "django/db/backends/utils" in file else "")


def divide(samples: Counter[str], cpu_us: float, least: float = 1.0) -> dict[str, float]:
    """`cpu_us` divided by samples, largest first; stages below `least` µs are put together."""
    total = sum(samples.values())
    shares = {name: n / total * cpu_us for name, n in samples.most_common()} if total else {}
    shown = {name: round(us, 1) for name, us in shares.items() if us >= least}
    rest = sum(us for us in shares.values() if us < least)
    return {**shown, **({"everything else": round(rest, 1)} if rest else {})}


def read(raw: str) -> Counter[str]:
    """Samples by stage of py-spy's raw output: `frame;frame;frame count` a line."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        # With --subprocesses the first frame names the process.
        found[stage(frame for frame in stack.split(";") if not frame.startswith("process "))] += int(count)
    return found


class Sampler:
    """py-spy on each process of a gateway."""

    def __init__(self, gateway: Gateway, directory: Path) -> None:
        self._files = {name: directory / f"{name}.raw" for name in gateway.ours}
        self._spies = [
            subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--subprocesses",
                    "--rate", str(RATE), "--duration", "600", "--format", "raw", "--full-filenames",
                    "--output", str(self._files[name]), "--nonblocking",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name, pid in gateway.ours.items()
        ]  # fmt: skip

    def stop(self) -> dict[str, Counter[str]]:
        """Samples by stage of each process."""
        for spy in self._spies:
            spy.send_signal(signal.SIGINT)
        for spy in self._spies:
            spy.wait(60)
        return {name: read(file.read_text()) for name, file in self._files.items() if file.exists()}


def profile(gateway: Gateway, load: Load, directory: Path, run: int) -> dict[str, Any]:
    """One run with samplers."""
    sampler = Sampler(gateway, directory)
    time.sleep(2)
    found = uvloop.run(load(gateway, run))
    samples = sampler.stop()
    ours = found["cpu_seconds_per_1000"]["ours"]
    return {
        "messages_per_second": found["end_to_end_per_second"],
        "cpu_us_per_message": {name: round(used * 1000) for name, used in ours.items()},
        "stores_us_per_message": {n: round(u * 1000) for n, u in found["cpu_seconds_per_1000"]["stores"].items()},
        "samples": {name: sum(counts.values()) for name, counts in samples.items()},
        "us_per_message": {name: divide(samples.get(name, Counter()), used * 1000) for name, used in ours.items()},
    }


def main() -> None:
    """Profile single messages, batches, and messages over SMPP."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", default="", help="one of the loads, by its name in the report")
    given = parser.parse_args()
    if not (Path(sys.executable).parent / "py-spy").exists():
        sys.exit("py-spy is not installed: pip install -r tests/requirements.txt")
    every: dict[str, Load] = {
        "single messages": lambda gateway, run: measure(gateway, Shape(given.count), run=run),
        "batches of 1,000": lambda gateway, run: measure(gateway, Shape(given.count, 2, batch=1_000), run=run),
        "over SMPP": lambda gateway, run: smpp.measure(gateway, smpp.Shape(given.count), run=run),
    }
    chosen = {name: load for name, load in every.items() if given.only in ("", name)}
    with gateways.fleet(document=smpp.document(100, 100)) as gateway, tempfile.TemporaryDirectory() as place:
        uvloop.run(measure(gateway, Shape(500), run=0))
        found = {name: profile(gateway, load, Path(place), run) for run, (name, load) in enumerate(chosen.items(), 1)}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
