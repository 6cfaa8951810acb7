"""What a report says: figures divided rightly, targets judged, failures told."""

from collections import Counter
from pathlib import Path

import pytest

from bench import loads, report
from bench.end_to_end import middle, writes_per_message
from bench.http_load import distribution, percentile
from bench.one_bind import rate
from bench.stages import divide, read, stage

MACHINE = {"processor": "a processor", "cores": 2}


def made(results, commit="abc1234"):
    about = {"date": "2026-11-22T10:00:00+00:00", "commit": commit, "seed": 1, "quick": False, "machine": MACHINE}
    return {**about, "results": results}


def test_a_percentile_is_a_value_that_was_measured():
    seconds = [0.001 * n for n in range(100, 0, -1)]
    assert (percentile(seconds, 0.5), percentile(seconds, 0.99), percentile([], 0.5)) == (51.0, 100.0, 0.0)
    assert distribution([0.002])["max_ms"] == 2.0


def test_the_median_run_is_the_middle_one_and_the_lower_of_two():
    runs = [{"end_to_end_per_second": n} for n in (30, 10, 20)]
    assert middle(runs) == {"end_to_end_per_second": 20}
    assert middle(runs[:2]) == {"end_to_end_per_second": 10}


def test_row_writes_are_counted_from_the_start_of_the_runs():
    found = writes_per_message({"part +": 100}, {"part +": 300, "part ~": 400, "lease ~": 0}, 200)
    assert found == {"in all": 3.0, "part +": 1.0, "part ~": 2.0}


def test_the_rate_of_a_drain_leaves_out_its_ends():
    slow_start = [n * 1.0 for n in range(5)]
    steady = [5 + n * 0.01 for n in range(95)]
    assert rate(slow_start + steady) == pytest.approx(100, rel=0.02)
    assert rate([1.0]) == 0.0


def test_no_two_messages_of_a_gateway_share_a_destination():
    sets = [set(loads.numbers(run, 5_000)) for run in (0, 1, 2)]
    sets += [set(loads.numbers(run, 5_000, 32)) for run in (0, 1, 2)]
    assert len(set.union(*sets)) == 30_000
    assert {len(str(number)) for number in set.union(*sets)} == {12}


def test_a_spread_load_takes_the_prefixes_in_turn():
    found = Counter(str(number)[:6] for number in loads.numbers(1, 320, 32))
    assert found == {loads.spread_prefix(nth): 10 for nth in range(32)}


def test_a_report_judges_each_target(tmp_path):
    singles = {"median": {"end_to_end_per_second": 1300.5}, "memory": {"memory_mib_at_rest": 612.0}}
    json_file, page = report.write(tmp_path, made({"singles": singles}))
    assert json_file.name == "bench-2026-11-22-abc1234.json"
    text = page.read_text()
    assert "| singles with webhook, end to end | ≥ 1,200 /s | 1,300.5 /s | met |" in text
    assert "| memory of our processes at rest (PSS) | ≤ 500 MiB | 612.0 MiB | missed |" in text
    assert "| one bind, answers after 50 ms, window 200 | ≥ 3,000 /s | not measured |  |" in text
    assert "Failed" not in text


def test_a_report_tells_what_failed_and_what_was_left_out():
    growth = {"messages": [{"messages": 200_000, "left out": "no time"}], "took_seconds": 9}
    text = report.page(made({"singles": {"failed": "Traceback\nRuntimeError: web ended"}, "growth": growth}))
    assert "- singles: RuntimeError: web ended" in text
    assert "200,000 messages: no time" in text


def test_a_report_of_changed_code_says_so():
    assert "The work tree differed" in report.page(made({}, "abc1234+"))
    assert "The work tree differed" not in report.page(made({}))


def test_every_target_names_a_case_that_runs():
    assert {target.path[0] for target in report.TARGETS} <= set(report.CASES)
    assert set(report.QUICK) <= set(report.CASES)


def test_a_sample_belongs_to_the_innermost_file_of_ours(tmp_path):
    for name in ("messaging/claims.py", "common/sql.py", "workers/new.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    here, there = str(tmp_path), "/lib/python3/site-packages"
    claim = [
        f"run ({here}/workers/new.py:9)",
        f"claim ({here}/messaging/claims.py:40)",
        f"execute ({here}/common/sql.py:7)",
    ]
    assert stage(claim, tmp_path) == "claim"
    assert stage([*claim, f"commit ({there}/psycopg/connection.py:2)"], tmp_path) == "claim · COMMIT"
    assert stage(claim[:1], tmp_path) == "workers/new"
    assert stage([f"select ({there}/kombu/hub.py:3)"], tmp_path) == "library: kombu"


def test_samples_divide_the_cpu_that_was_measured():
    assert divide(Counter({"a": 75, "b": 24, "c": 1}), 40.0) == {"a": 30.0, "b": 9.6, "everything else": 0.4}
    assert divide(Counter(), 40.0) == {}
    assert read(f"process 7:x;main ({Path('/nowhere/x.py')}:1) 3\n") == {"library: x": 3}
