"""`doctor` tells who of `make up` works, is silent, or has lost its supervisor."""

import os
import time

import pytest

from gateway_project.doctor import processes
from gateway_project.doctor.findings import Level
from gateway_project.fleet.place import RunDirectory


@pytest.fixture
def run(tmp_path, settings):
    settings.GATEWAY_VAR = tmp_path
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def told():
    return [(finding.level, finding.what) for finding in processes.look()]


def test_without_a_fleet_there_is_nothing_to_say(run):
    assert told() == [(Level.OK, "make up does not run here")]


def test_a_fleet_whose_processes_work_is_well_and_a_silent_one_is_named(run):
    place = RunDirectory(run)
    place.occupy()
    for name in ("beat", "binds"):
        (run / f"{name}.pid").write_text("77\n")
    (run / "beat.77.alive").touch()
    assert told() == [(Level.WARN, "binds has not begun to work")]
    (run / "binds.77.alive").touch()
    assert told() == [(Level.OK, "2 processes work: beat, binds")]
    old = time.time() - 60
    os.utime(run / "binds.77.alive", (old, old))
    assert told() == [(Level.WARN, "binds gave its last sign of life 60 s ago")]
    place.leave()
    assert told() == [(Level.OK, "make up does not run here")]


def test_a_supervisor_that_is_gone_is_a_failure(run):
    own = os.getpid()  # whose pid it was may be another program's by now
    (run / "fleet.pid").write_text(f"{own}\n")
    assert told() == [(Level.FAIL, f"make up was killed (pid {own}): nobody restarts what dies")]
