"""Reports: every case as JSON, and a page of Markdown with the targets, what was found, and the curves."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import gateways, loads, machine

LIMIT = 900  # seconds for one case


@dataclass(frozen=True, slots=True)
class Case:
    """A module to run, with the arguments of the full and of the quick measurement."""

    module: str
    full: str = ""
    quick: str = ""

    def command(self, quick: bool) -> list[str]:
        """What to start."""
        return [sys.executable, "-m", self.module, *(self.quick if quick else self.full).split()]


CASES: dict[str, Case] = {
    "codec": Case("bench.codec", "", "--seconds 0.2"),
    "wire log": Case("bench.wire_log", "", "--seconds 0.2"),
    "ceilings": Case("bench.ceilings", "", "--count 4000"),
    "accept": Case(
        "bench.http_accept",
        "--connections 32 128 --count 20000 --runs 3 --ways resource",
        "--connections 32 --count 3000 --ways resource",
    ),
    "embedded": Case(
        "bench.end_to_end", "--gateway embedded --count 5000", "--gateway embedded --count 500 --runs 1 --warm-up 100"
    ),
    "singles": Case("bench.end_to_end", "--gateway fleet", "--gateway fleet --count 2000 --runs 1 --no-writes"),
    "batches": Case(
        "bench.end_to_end",
        "--gateway fleet --batch 1000 --connections 2",
        "--gateway fleet --batch 1000 --connections 2 --count 4000 --runs 1 --no-writes",
    ),
    "smpp": Case("bench.smpp", "", "--count 3000 --runs 1 --no-writes"),
    "smpp at 200/s": Case(
        "bench.smpp",
        "--rate 200 --count 4000 --binds 2 --runs 1 --warm-up 500 --no-writes",
        "--rate 200 --count 1000 --binds 2 --runs 1 --warm-up 500 --no-writes",
    ),
    "held binds": Case("bench.held_binds", "", "--seconds 5"),
    "one bind": Case("bench.one_bind", "", "--count 3000"),
    "one bind with receipts": Case("bench.one_bind", "--receipt-ms 50", "--count 2000 --receipt-ms 50"),
    "lanes": Case("bench.lanes", "", "--bulk 50000 --otp 60 --tps 100"),
    "at rest": Case("bench.at_rest", "", "--count 40 --idle-seconds 5"),
    "stages": Case("bench.stages", "", "--count 1500"),
    "growth": Case("bench.growth", "", "--quick"),
}
QUICK = ("ceilings", "accept", "singles", "batches", "smpp", "smpp at 200/s", "held binds", "one bind", "at rest")


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that an issue asks for; `path` finds it in the results."""

    what: str
    wanted: float
    unit: str
    path: tuple[str, ...]
    at_least: bool = False


_ACCEPT = ("accept", "figures", "resource, 32 connections")
_BATCH_ACCEPT = "accepted in batches of 1,000, everything else running"
TARGETS = (
    Target("singles with webhook, end to end", 1_200, "/s", ("singles", "median", "end_to_end_per_second"), True),
    Target("singles accepted, 32 connections", 2_500, "/s", (*_ACCEPT, "per_second"), True),
    Target("… p50", 12, "ms", (*_ACCEPT, "p50_ms")),
    Target("… p99", 40, "ms", (*_ACCEPT, "p99_ms")),
    Target(_BATCH_ACCEPT, 8_000, "/s", ("batches", "median", "accepted_per_second"), True),
    Target("one bind, answers after 50 ms, window 200", 3_000, "/s", ("one bind", "submit_sm_per_second"), True),
    Target("otp to submit_sm beside bulk, p99 of its idle value", 2, "×", ("lanes", "without a limit", "p99_ratio")),
    Target("… on a connector with a TPS limit", 2, "×", ("lanes", "with a limit", "p99_ratio")),
    Target("at rest: HTTP accepted, p50", 15, "ms", ("at rest", "paced", "latency", "accept", "p50_ms")),
    Target("at rest: HTTP to submit_sm, p50", 60, "ms", ("at rest", "paced", "latency", "to submit_sm", "p50_ms")),
    Target(
        "CPU of our processes and the stores for 1,000 single messages", 1.3, "s",
        ("singles", "median", "cpu_seconds_per_1000", "ours and stores"),
    ),
    Target(
        "SMPP in, SMPP out, receipts with the customer: end to end", 2_000, "/s",
        ("smpp", "median", "end_to_end_per_second"), True,
    ),
    Target(
        "… submit_sm to its answer at 200/s, p50", 20, "ms",
        ("smpp at 200/s", "median", "latency", "accept", "p50_ms"),
    ),
    Target("… the SMPP server with 500 binds (RSS)", 300, "MiB", ("held binds", "server_mib_with_binds", "rss")),
    Target("memory of our processes at rest (PSS)", 500, "MiB", ("singles", "memory", "memory_mib_at_rest")),
)  # fmt: skip


def run(names: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """Run the cases one after the other; one that fails is reported as `failed`."""
    results: dict[str, Any] = {}
    for name in names:
        print(f"… {name}", file=sys.stderr)
        began = datetime.now(UTC)
        try:
            done = subprocess.run(CASES[name].command(quick), capture_output=True, text=True, timeout=LIMIT)
            results[name] = json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr[-2000:]}
        except subprocess.TimeoutExpired:
            results[name] = {"failed": f"took longer than {LIMIT} s"}
        results[name]["took_seconds"] = round((datetime.now(UTC) - began).total_seconds())
    return results


def document(results: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """The results with date, commit, machine and seed."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "seed": loads.seed(),
        "quick": quick,
        "machine": machine.facts(gateways.store_urls()),
        "results": results,
    }


def write(directory: Path, report: dict[str, Any]) -> list[Path]:
    """Write `bench-<date>-<commit>.json` and `.md`; returns both."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"bench-{report['date'][:10]}-{report['commit'].rstrip('+')}"
    files = [directory / f"{stem}.json", directory / f"{stem}.md"]
    files[0].write_text(json.dumps(report, indent=1) + "\n")
    files[1].write_text(page(report))
    return files


def find(results: dict[str, Any], path: Sequence[str]) -> Any:
    """The value at `path`; None where the way ends."""
    value: Any = results
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def page(report: dict[str, Any]) -> str:
    """The Markdown."""
    results = report["results"]
    about = {name: report[name] for name in ("date", "commit", "seed", "quick")} | report["machine"]
    lines = [f"# Measured on {report['date'][:10]} at {report['commit']}", ""]
    if report["commit"].endswith("+"):
        lines += ["The work tree differed from that commit.", ""]
    lines += table(("what", "value"), [(name.replace("_", " "), value) for name, value in about.items()])
    lines += ["", "## Targets", ""]
    lines += table(("what", "target", "found", ""), [_verdict(target, results) for target in TARGETS])
    for title, section in (("CPU", _cpu), ("Stages", _stages), ("Curves", _curves), ("Failed", _failures)):
        if part := section(results):
            lines += ["", f"## {title}", "", *part]
    return "\n".join([*lines, "", "Everything else stands in the JSON file beside this one.", ""])


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table of Markdown."""
    made = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join("" if cell is None else _cell(cell) for cell in row) + " |" for row in made]


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _verdict(target: Target, results: dict[str, Any]) -> tuple[str, str, str, str]:
    found = find(results, target.path)
    wanted = f"{'≥' if target.at_least else '≤'} {target.wanted:,} {target.unit}"
    if found is None:
        return target.what, wanted, "not measured", ""
    met = found >= target.wanted if target.at_least else found <= target.wanted
    return target.what, wanted, f"{found:,} {target.unit}", "met" if met else "missed"


def _cpu(results: dict[str, Any]) -> list[str]:
    """CPU seconds for 1,000 messages by process, store and harness."""
    found = {
        name: find(results, (name, "median", "cpu_seconds_per_1000"))
        for name in ("singles", "batches", "embedded", "smpp")
    }
    rows = [
        (name, group, ", ".join(f"{member} {used}" for member, used in cpu[group].items()), cpu[f"{group} in all"])
        for name, cpu in found.items()
        if cpu
        for group in ("ours", "stores", "harness")
    ]
    head = ("case", "whose", "CPU seconds for 1,000 messages", "in all")
    return table(head, rows) if rows else []


def _stages(results: dict[str, Any]) -> list[str]:
    rows = [
        (shape, process, stage, us)
        for shape, found in results.get("stages", {}).items()
        if isinstance(found, dict)
        for process, stages in found["us_per_message"].items()
        for stage, us in stages.items()
        if us >= 5
    ]
    return table(("load", "process", "stage", "µs a message"), rows) if rows else []


def _curves(results: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, curve in results.get("growth", {}).items():
        if not isinstance(curve, list):
            continue
        rows = [
            (point[name], shape, *(figures.get(key) for key in _CURVE))
            for point in curve
            for shape, figures in point.items()
            if isinstance(figures, dict)
        ]
        left = [f"{point[name]:,} {name}: {point['left out']}" for point in curve if "left out" in point]
        lines += [*table((name, "load", *(key.replace("_", " ") for key in _CURVE)), rows), *left, ""]
    return lines


_CURVE = ("messages_per_second", "accepted_per_second", "cpu_seconds_per_1000", "ours", "stores", "to_webhook_p50_ms")


def _failures(results: dict[str, Any]) -> list[str]:
    found = {name: result["failed"].strip().splitlines() for name, result in results.items() if "failed" in result}
    return [f"- {name}: {lines[-1] if lines else 'said nothing'}" for name, lines in found.items()]
