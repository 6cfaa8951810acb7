"""The report of a run: JSON to join and to compare, Markdown to read."""

import json
import math
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil

from tests.crash.faults import TARGET_SECONDS
from tests.support.embedded import ROOT

Report = dict[str, Any]
WORST = ("ambiguous_of_one_fault", "runs_of_one_poison")  # joined by the worst, not by the sum
TIMES = ("recovered", "acknowledged", "told", "caught_up", "silence")


def head(*, seed: int, shard: str, rate: float, kinds: Sequence[str]) -> Report:
    """Who, where and when."""
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit(), "machine": machine(),
        "seed": seed, "shard": shard, "rate": rate, "kinds": list(kinds), "complete": False,
    }  # fmt: skip


def machine() -> str:
    """Processor, cores and memory, without the machine's name."""
    model = platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line.partition(":")[2].strip() for line in cpu.read_text().splitlines() if line[:10] == "model name"]
        model = names[0] if names else model
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{os.cpu_count()} × {model}, {memory} GiB, {platform.system()} {platform.release()}"


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def recoveries(faults: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each kind: how often, how fast, how often beyond the target. Faults that overlapped stand in no time."""
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for fault in faults:
        by_kind[fault["kind"]].append(fault)
    return {kind: _of_kind(struck) for kind, struck in sorted(by_kind.items())}


def _of_kind(struck: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    done = [fault for fault in struck if not fault["skipped"]]
    alone = [fault for fault in done if not fault["overlapped"]]
    family = struck[0]["family"]
    target = TARGET_SECONDS[family]
    return {
        "family": family,
        "target": target,
        "struck": len(done),
        "skipped": len(struck) - len(done),
        "overlapped": len(done) - len(alone),
        "never": sum(fault["recovered"] is None for fault in done),
        "late": sum(fault["recovered"] is None or fault["recovered"] > target for fault in alone),
        **{name: spread([fault[name] for fault in alone if fault[name] is not None]) for name in TIMES},
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p95 and max by nearest rank, seconds."""
    if not values:
        return None
    ordered = sorted(values)
    rank = lambda share: ordered[max(0, math.ceil(share * len(ordered)) - 1)]  # noqa: E731
    return {"n": len(ordered), "p50": rank(0.5), "p95": rank(0.95), "max": ordered[-1]}


def finish(report: Report, faults: Sequence[Mapping[str, Any]], **more: Any) -> Report:
    """The report with its faults and what follows from them."""
    return {**report, **more, "faults": list(faults), "recovery": recoveries(faults)}


def holds(report: Report) -> bool:
    """Whether every promise held and the service came back from every fault."""
    figures = report.get("figures", [])
    back = all(not kind["never"] for kind in report["recovery"].values())
    return bool(report["complete"] and figures and all(figure["holds"] for figure in figures) and back)


def write(report: Report, out: Path) -> None:
    """`out`.json and `out`.md; a reader never sees half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in ((".json", json.dumps(report, indent=1, ensure_ascii=False)), (".md", markdown(report))):
        draft = out.with_suffix(out.suffix + suffix + ".new")
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(out.with_suffix(out.suffix + suffix))


def merged(reports: Sequence[Report]) -> Report:
    """Several shards as one: counts are added, limits of one fault stay, times are taken over all faults."""
    first = reports[0]
    faults = [fault for report in reports for fault in report["faults"]]
    summed = {
        **first,
        "began": min(report["began"] for report in reports),
        "seed": ", ".join(str(report["seed"]) for report in reports),
        "shard": f"{len(reports)} joined",
        "commit": ", ".join(sorted({report["commit"] for report in reports})),
        "machine": "; ".join(sorted({report["machine"] for report in reports})),
        "kinds": sorted({kind for report in reports for kind in report["kinds"]}),
        "complete": all(report["complete"] for report in reports),
        "figures": _added([report.get("figures", []) for report in reports]),
        "load": _added_load([report.get("load", {}) for report in reports]),
    }
    return finish(summed, faults)


def _added(lists: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for figure in (figure for figures in lists for figure in figures):
        known = found.get(figure["name"])
        if known is None:
            found[figure["name"]] = {**figure, "examples": list(figure["examples"])}
            continue
        if known["meaning"] != figure["meaning"]:  # it names amounts of one run
            known["meaning"] = ""
        known["count"] = _plus(figure["name"], known["count"], figure["count"])
        known["of"] += figure["of"]
        known["holds"] = known["holds"] and figure["holds"]
        known["examples"] += figure["examples"]
    return list(found.values())


def _plus(name: str, one: Any, other: Any) -> Any:
    if isinstance(one, str):
        return str(Decimal(one) + Decimal(other))
    return max(one, other) if name in WORST else one + other


def _added_load(loads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for load in loads:
        for name, value in load.items():
            if isinstance(value, dict):
                known = found.setdefault(name, {})
                for key, count in value.items():
                    known[key] = known.get(key, 0) + count
            else:
                found[name] = found.get(name, 0) + value
    return found


def markdown(report: Report) -> str:
    """The report for people."""
    said = "HOLDS" if holds(report) else "DOES NOT HOLD" if report["complete"] else "NOT COMPLETE"
    lines = [
        f"# Crash campaign: {said}", "",
        f"{report['began']} · commit {report['commit']} · seed {report['seed']} · shard {report['shard']}", "",
        f"{report['machine']}; {report['rate']:g} messages/s", "",
    ]  # fmt: skip
    if report.get("note"):
        lines += [report["note"], ""]
    load = report.get("load")
    if load:
        lines += ["| load | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in load.items()), ""]
    if report.get("figures"):
        lines += [
            "| figure | counted | of | at most | |",
            "|---|---|---|---|---|",
            *map(_figure, report["figures"]),
            "",
        ]
    lines += _recovery_table(report["recovery"])
    return "\n".join(lines)


def _figure(figure: Mapping[str, Any]) -> str:
    limit = "–" if figure["limit"] is None else figure["limit"]
    broken = "" if figure["holds"] else " **broken**: " + "; ".join(figure["examples"])
    name = figure["name"].replace("_", " ")
    return f"| {name} | {figure['count']} | {figure['of']:,} | {limit} | {figure['meaning']}{broken} |"


def _recovery_table(recovery: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [
        "Seconds from the end of the fault until all is whole again (a message sent afterwards was acknowledged",
        "and told by webhook, the process is back): p50 / p95 / max. Caught up: all that was under way is told.", "",
        "| fault | struck | target | recovered | late | never | caught up | longest silence |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, one in recovery.items():
        skipped = f" ({one['skipped']} skipped)" if one["skipped"] else ""
        lines.append(
            f"| {kind} | {one['struck']}{skipped} | {one['target']:g} | {_spread(one['recovered'])} | {one['late']} "
            f"| {one['never']} | {_spread(one['caught_up'])} | {_spread(one['silence'])} |"
        )
    return lines


def _spread(found: Mapping[str, float] | None) -> str:
    return f"{found['p50']:.1f} / {found['p95']:.1f} / {found['max']:.1f}" if found else "–"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count:,}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)
