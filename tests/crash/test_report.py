"""The report: every kind in every round, times that were measured, shards that join, and half a run says so."""

import json
import random
import time
from types import SimpleNamespace

import pytest

from tests.crash import __main__ as command
from tests.crash import report
from tests.crash.faults import Skipped
from tests.crash.faults.catalogue import catalogue, chosen
from tests.crash.nemesis import Nemesis, Struck, plan
from tests.crash.poison_runs import of_one_handing_out, runs
from tests.crash.texts import GSM7, UCS2, Writer, parts


def struck(kind="kill-web", family="process", recovered=1.0, **changes):
    return {
        **Struck(1, kind, family, 5.0, acknowledged=0.5, told=0.9, settled=0.1, caught_up=2.0).as_dict(),
        "recovered": recovered,
        **changes,
    }


def a_report(faults, figures=(), **changes):
    begun = report.head(seed=1, shard="1/2", rate=45, kinds=["kill-web"])
    return report.finish(
        {**begun, "complete": True, "figures": list(figures), "load": {"acknowledged": 10}}, faults
    ) | {**changes}


FINE = {"name": "lost", "count": 0, "of": 10, "limit": 0, "examples": [], "meaning": "", "holds": True}


def test_every_round_has_every_kind_and_the_seed_decides_the_order():
    kinds = ["a", "b", "c", "d"]
    order = plan(kinds, 5, random.Random(3))
    assert all(sorted(order[at : at + 4]) == kinds for at in range(0, 20, 4))
    assert order == plan(kinds, 5, random.Random(3)) != plan(kinds, 5, random.Random(4))


def test_times_are_ranks_of_what_was_measured():
    assert report.spread([]) is None
    assert report.spread([3.0, 1.0, 2.0, 9.0]) == {"n": 4, "p50": 2.0, "p95": 9.0, "max": 9.0}


def test_late_never_skipped_and_overlapped_faults_are_told_apart():
    faults = [
        struck(), struck(recovered=11.0), struck(recovered=None), struck(skipped="no web runs now", recovered=None),
        struck(recovered=40.0, overlapped=True),
    ]  # fmt: skip
    found = report.recoveries(faults)["kill-web"]
    assert {name: found[name] for name in ("struck", "skipped", "overlapped", "late", "never")} == {
        "struck": 4, "skipped": 1, "overlapped": 1, "late": 2, "never": 1,
    }  # fmt: skip
    assert found["recovered"] == {"n": 2, "p50": 1.0, "p95": 11.0, "max": 11.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, True),
        ({"complete": False}, False),
        ({"figures": []}, False),
        ({"figures": [{**FINE, "holds": False}]}, False),
    ],
)
def test_a_run_holds_only_when_it_was_whole_and_judged(changes, said):
    assert report.holds(a_report([struck()], **{"figures": [FINE], **changes})) is said


def test_a_fault_from_which_nobody_came_back_breaks_the_promise():
    assert not report.holds(a_report([struck(recovered=None)], [FINE]))


def test_shards_are_joined_into_one(tmp_path, capsys):
    broken = {**FINE, "count": 2, "of": 30, "holds": False, "examples": ["17"]}
    money = {**FINE, "name": "ledger_difference", "count": "0.5500"}
    report.write(a_report([struck()], [FINE, money]), tmp_path / "one")
    report.write(a_report([struck("kill-binds", "binds")], [broken, money], seed=2), tmp_path / "two")
    status = command.main(["merge", str(tmp_path / "both"), str(tmp_path / "one.json"), str(tmp_path / "two.json")])
    joined = json.loads((tmp_path / "both.json").read_text())
    assert status == 1 and "DOES NOT HOLD" in capsys.readouterr().out
    assert [(f["name"], f["count"], f["of"], f["holds"]) for f in joined["figures"]] == [
        ("lost", 2, 40, False),
        ("ledger_difference", "1.1000", 20, True),
    ]
    assert set(joined["recovery"]) == {"kill-web", "kill-binds"}
    assert joined["load"] == {"acknowledged": 20}
    assert "**broken**: 17" in (tmp_path / "both.md").read_text()


def test_a_run_that_was_cut_short_is_told_as_such():
    assert "NOT COMPLETE" in report.markdown(a_report([struck()], complete=False))


def test_kinds_are_chosen_by_name_or_beginning():
    assert list(chosen("kill-web,smsc-*")) == ["kill-web", "smsc-rst", "smsc-fin", "smsc-unbind"]
    assert chosen("").keys() == catalogue().keys()
    with pytest.raises(ValueError, match="no kind of fault kill-everything"):
        chosen("kill-everything")


def test_texts_are_drawn_by_seed_and_their_parts_are_counted():
    writers = [Writer(random.Random(7)) for _ in range(2)]
    drawn = [[writer.text() for _ in range(500)] for writer in writers]
    assert drawn[0] == drawn[1]
    assert len({text.to for text in drawn[0]}) == len({text.content for text in drawn[0]}) == 500
    long = sum(text.parts > 1 for text in drawn[0])
    unicode = sum(not text.content.isascii() for text in drawn[0])
    assert 40 < long < 110 and 20 < unicode < 70
    assert [parts("x" * n, GSM7) for n in (160, 161, 306, 307)] == [1, 2, 2, 3]
    assert [parts("x" * n, UCS2) for n in (70, 71, 134, 135)] == [1, 2, 2, 3]


def test_a_poison_may_run_again_for_each_fault_that_handed_it_out_again():
    def at(moment, kind):
        return Struck(1, kind, "process", moment, whole_at=moment + 1)

    faults = [at(10, "kill-worker"), at(12, "kill-web"), at(14, "rabbit-kill"), at(50, "kill-worker")]
    assert of_one_handing_out([9, 11.5, 12, 13, 14.5, 16, 17, 18], faults) == 3
    assert of_one_handing_out([20, 21, 22, 23, 24], faults) == 5
    never = Struck(1, "rabbit-kill", "store", 22.5, whole_at=22.5, skipped="not now")
    assert of_one_handing_out([20, 21, 22, 23, 24], [never]) == 5


def test_two_faults_of_stores_never_meet():
    kinds = catalogue()
    nemesis = Nemesis(SimpleNamespace(), kinds, random.Random(1), after_each=list)
    assert not nemesis._may_meet("postgres-kill", "rabbit-reset")
    assert not nemesis._may_meet("kill-web", "kill-web")
    assert nemesis._may_meet("kill-web", "rabbit-reset")


def test_runs_of_poison_are_told_by_task(tmp_path):
    (tmp_path / "poison").write_text("one 5.000\ntwo 6.500\none 7.000\n")
    assert runs(tmp_path / "poison") == {"one": [5.0, 7.0], "two": [6.5]}
    assert runs(tmp_path / "none") == {}


def test_a_fault_that_could_not_be_done_comes_once_more_at_the_end():
    class Never:
        family = "process"

        def strike(self, world, rng):
            raise Skipped("not now")

    nemesis = Nemesis(SimpleNamespace(note=lambda *a, **k: None), {"never": Never()}, random.Random(1), after_each=list)
    nemesis._rest = lambda seconds: None
    nemesis.run(["never"], until=time.monotonic() + 60)
    assert [(fault.kind, fault.skipped) for fault in nemesis.struck] == [("never", "not now")] * 3
