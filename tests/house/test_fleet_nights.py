"""The supervisor at three in the morning: no disk, no terminal, no memory, a former fleet that still ends, a reload."""

import os
import signal
import threading

import pytest

from bench.ports import free_port
from gateway_project.fleet.post import AGAIN, Post
from gateway_project.fleet.reload import reload
from tests.house.test_fleet_posts import BEATS, WAITS, fleet, lives  # noqa: F401 - a fixture
from tests.support.waiting import wait_until

STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.1; done"


def test_a_log_that_cannot_be_written_stops_nobody_and_is_no_status(fleet, tmp_path):  # noqa: F811
    talks = f"seq 50000; touch {tmp_path}/said-all; trap 'exit 0' TERM; while :; do sleep 0.1; done"
    running = fleet(output="/dev/full", talks=talks)
    wait_until((tmp_path / "said-all").exists, timeout=20)  # more than a pipe holds
    assert running.stop() == 0


def test_a_program_has_one_listening_socket_so_that_closing_it_ends_the_listening(fleet):  # noqa: F811
    counts = "echo sockets $(readlink /proc/$$/fd/* | grep -c socket); exec sleep 60"
    running = fleet(environment={"GATEWAY_HTTP_PORT": str(free_port())}, web=counts)
    assert running.wait_for(r"sockets (\d+)") == ["1"]


class Machine:
    """Starts nothing for the first `poor` times."""

    def __init__(self, poor):
        self.poor = poor

    def start(self):
        self.poor -= 1
        if self.poor >= 0:
            raise BlockingIOError("fork: no process left")
        return Lives()


class Lives:
    pid, beats = 7, True

    def noted(self):
        pass


def test_a_start_for_which_the_machine_has_no_room_is_tried_again_and_ends_no_fleet(capfd):
    post = Post("binds", Machine(2).start, beats=True, patience=1)
    post.look(100)
    post.look(100 + AGAIN / 2)
    post.look(100 + AGAIN)
    assert post.lives() == []
    post.look(100 + 2 * AGAIN)
    assert [each.pid for each in post.lives()] == [7]
    said = capfd.readouterr().out.splitlines()
    assert said == ["binds could not be started (fork: no process left): tried again in 5 s"] * 2


def test_a_successor_for_whom_there_is_no_room_leaves_the_old_one():
    machine = Machine(0)
    post = Post("binds", machine.start, beats=True, patience=1)
    post.begin()
    machine.poor = 1
    post.replace()
    assert post.refused and not post.changing and len(post.lives()) == 1


def test_the_next_fleet_waits_for_what_a_killed_one_left_and_then_has_its_port(fleet, tmp_path):  # noqa: F811
    environment = {"GATEWAY_HTTP_PORT": str(free_port())}
    until_drained = f"until test -e {tmp_path}/drained; do sleep 0.1; done; exit 0"
    drains = f"trap '{until_drained}' TERM; echo up; while :; do sleep 0.1; done"
    changes = {"STOP_SECONDS": 20}
    running = fleet(changes, environment, web=drains)
    running.wait_for("web . up")
    first = running.next_pid("web")
    running.process.kill()
    running.process.wait(10)
    again = fleet(changes, environment, web=drains)
    again.wait_for(rf"still ending from before: web {first}\n")
    (tmp_path / "drained").touch()
    assert again.next_pid("web", first) and not lives(first)
    again.wait_for("web . up")
    assert again.stop() == 0


def test_what_a_killed_fleet_left_and_will_not_end_is_killed_and_nobody_else(fleet):  # noqa: F811
    running = fleet(stubborn=STUBBORN)
    running.wait_for("stubborn . up")
    first = running.next_pid("stubborn")
    running.process.kill()
    running.process.wait(10)
    (running.run / f"other.{os.getpid()}.alive").touch()  # that number is ours by now
    again = fleet(stubborn=STUBBORN)
    again.wait_for(rf"still ending from before: stubborn {first}\nstubborn {first} did not end within 2 s: killed\n")
    assert again.next_pid("stubborn", first) and not lives(first)


@pytest.mark.parametrize("value", ["abc", "99999"])
def test_a_port_that_is_none_ends_the_start_with_one_line_and_leaves_no_pidfile(fleet, value):  # noqa: F811
    running = fleet(environment={"GATEWAY_HTTP_PORT": value}, web=WAITS)
    assert running.process.wait(20) == 1
    assert running.log().startswith(f"not started: web cannot listen on 127.0.0.1:{value}: ")
    assert len(running.log().splitlines()) == 1
    assert not list(running.run.glob("*.pid"))


def test_a_start_that_is_refused_leaves_the_pidfile_of_the_fleet_that_runs(fleet):  # noqa: F811
    running = fleet(quiet=WAITS)
    running.next_pid("quiet")
    assert fleet(quiet=WAITS).process.wait(20) == 1
    assert running.pid("fleet") == running.process.pid


def test_whoever_asks_for_a_reload_waits_for_it_and_hears_how_it_ended(fleet, tmp_path, capsys):  # noqa: F811
    running = fleet(beat=f"test -e {tmp_path}/broken && exit 4; {BEATS}", worker=BEATS)
    first = {name: running.next_pid(name) for name in ("beat", "worker")}
    wait_until(lambda: all((running.run / f"{name}.{pid}.alive").exists() for name, pid in first.items()))
    assert reload(running.run) == 0
    assert all(running.pid(name) not in (0, pid) and not lives(pid) for name, pid in first.items())
    (tmp_path / "broken").touch()
    assert reload(running.run) == 1
    assert capsys.readouterr() == (
        "reload: every process is new\n", "reload: given up, not replaced: beat, worker\n",
    )  # fmt: skip


def test_a_reload_starts_at_once_who_is_down_and_says_so_when_that_fails(fleet, tmp_path, capsys):  # noqa: F811
    changes = {"BACK_OFF": [0.0, 600.0], "MISCONFIGURED": 0.0}
    running = fleet(changes, beat=f"test -e {tmp_path}/broken && exit 4; {BEATS}", worker=BEATS)
    first = {name: running.next_pid(name) for name in ("beat", "worker")}
    (tmp_path / "broken").touch()
    os.kill(first["beat"], signal.SIGKILL)
    running.wait_for("beat died .*: started again in 600 s")
    assert reload(running.run) == 1
    assert running.pid("worker") == first["worker"]
    (tmp_path / "broken").unlink()
    assert reload(running.run) == 0
    assert all(running.pid(name) not in (0, pid) for name, pid in first.items())
    assert capsys.readouterr() == (
        "reload: every process is new\n", "reload: given up, not replaced: beat, worker\n",
    )  # fmt: skip


def test_a_reload_after_which_a_process_is_down_did_not_do_what_it_should(fleet, tmp_path, capsys):  # noqa: F811
    changes = {"BACK_OFF": [600.0], "MISCONFIGURED": 0.0}
    dies = f"while test ! -e {tmp_path}/$$; do touch $GATEWAY_ALIVE_FILE; sleep 0.1; done; exit 5"
    waits = f"trap 'until test -e {tmp_path}/go; do sleep 0.1; done; exit 0' TERM; {BEATS}"
    running = fleet(changes, beat=dies, worker=waits)
    first = running.next_pid("beat")
    wait_until(lambda: (running.run / f"worker.{running.next_pid('worker')}.alive").exists())
    asked = threading.Thread(target=lambda: found.append(reload(running.run)))
    found = []
    asked.start()
    (tmp_path / str(running.next_pid("beat", first))).touch()  # the new one dies while the next one is replaced
    running.wait_for(r"beat died \(status 5\)")
    (tmp_path / "go").touch()
    asked.join(20)
    assert found == [1]
    assert capsys.readouterr().err == "reload: every process was replaced, but down: beat\n"


def test_a_fleet_that_is_stopped_while_a_process_is_down_did_not_end_in_peace(fleet):  # noqa: F811
    peaceful = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"
    running = fleet({"BACK_OFF": [600.0], "MISCONFIGURED": 0.0}, quiet=peaceful, short="exit 3")
    running.wait_for("quiet . up")
    running.wait_for(r"short died \(status 3\)")
    assert running.stop() == 1
    assert "ended: quiet 0; down: short\n" in running.log()


# SIGHUP at each line that the watch executes for the first time, in our files and in those of Python.
AT_EVERY_LINE = """
import signal, sys
seen = set()
def watched(frame):
    while frame and frame.f_code.co_name != "_watch":
        frame = frame.f_back
    return frame is not None
def trace(frame, event, _):
    place = frame.f_code.co_filename, frame.f_lineno
    if event == "line" and place not in seen and watched(frame):
        seen.add(place)
        signal.raise_signal(signal.SIGHUP)
    return trace
sys.settrace(trace)
"""


def test_a_signal_may_come_at_any_line_of_the_watch(fleet):  # noqa: F811
    running = fleet(prelude=AT_EVERY_LINE, beat=BEATS)
    first = running.next_pid("beat")
    running.wait_for("reload: every process is new")
    assert running.next_pid("beat", first)
    running.stop()
    assert "ended: beat" in running.log()


def test_a_reload_without_a_fleet_signals_nobody(fleet, capsys):  # noqa: F811
    running = fleet(quiet=WAITS)
    running.next_pid("quiet")
    running.process.kill()
    running.process.wait(10)
    (running.run / "fleet.pid").write_text(f"{os.getpid()}\n")
    heard = []
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append(1))
    try:
        assert reload(running.run) == 1
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not heard and "no fleet runs in" in capsys.readouterr().err
