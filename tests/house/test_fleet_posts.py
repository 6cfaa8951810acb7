"""The supervisor: what dies is started again, with everything it left behind gone; reload, silence, orders, ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.support.embedded import ROOT
from tests.support.waiting import wait_until

RUNNER = """
import json, sys
from gateway_project.fleet import post, supervisor
commands, changes = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for name, value in changes.items():
    module = post if hasattr(post, name) else supervisor
    setattr(module, name, type(getattr(module, name))(value))
sys.exit(supervisor.Supervisor(lambda: supervisor.Plan(commands, supervisor.environment_of({}))).run())
"""
WAITS = "exec sleep 60"
BEATS = "while :; do touch $GATEWAY_ALIVE_FILE; sleep 0.1; done"
AT_ONCE = {"BACK_OFF": [0.0], "MISCONFIGURED": 0.0}


class Runner:
    def __init__(self, place, commands, changes, environment, output=None, prelude=""):
        self.run, self.said = place / "run", Path(output or place / "said")
        with self.said.open("wb") as said:
            arguments = [json.dumps(commands), json.dumps({"STOP_SECONDS": 2.0, **changes})]
            self.process = subprocess.Popen(
                [sys.executable, "-c", prelude + RUNNER, *arguments],
                cwd=ROOT, env={**os.environ, "GATEWAY_VAR": str(place), **environment}, stdout=said, stderr=said,
            )  # fmt: skip

    def log(self):
        return self.said.read_text()

    def pid(self, name):
        """Of the process that runs now, 0 between two."""
        try:
            return int((self.run / f"{name}.pid").read_text())
        except FileNotFoundError:
            return 0

    def wait_for(self, pattern, times=1):
        return wait_until(lambda: len(found := re.findall(pattern, self.log())) >= times and found, timeout=20)

    def next_pid(self, name, *former):
        return wait_until(lambda: (pid := self.pid(name)) not in (0, *former) and pid, timeout=20)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def fleet(tmp_path):
    runners = []

    def start(changes=AT_ONCE, environment=None, output=None, prelude="", **commands):
        runners.append(Runner(tmp_path, commands, changes, environment or {}, output, prelude))
        return runners[-1]

    yield start
    for each in runners:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.wait(20)


def lives(pid):
    """Whether it runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_killed_process_is_started_again_at_once_and_the_others_do_not_notice(fleet):
    running = fleet(short=WAITS, quiet=WAITS)
    quiet, first = running.next_pid("quiet"), running.next_pid("short")
    os.kill(first, signal.SIGKILL)
    second = running.next_pid("short", first)
    assert running.wait_for(r"short died \(status -9\) after [\d.]+ s: started again at once")
    assert lives(second) and running.pid("quiet") == quiet
    assert running.stop() == 1, "sleep ends by the signal, not in peace"
    assert "ended: short -15, quiet -15\n" in running.log()
    assert not list(running.run.glob("*.pid")), "the pidfiles are gone"


def test_who_dies_again_and_again_is_started_ever_more_slowly_and_said_so_but_never_given_up(fleet):
    running = fleet({"BACK_OFF": [0.0, 0.05, 0.1], "MISCONFIGURED": 0.0}, short="sleep 0.1; exit 3", quiet=WAITS)
    running.wait_for("short died", times=13)
    pauses = re.findall(r"started again (?:in )?(at once|[\d.]+ s)", running.log())
    assert pauses[:4] == ["at once", "0.05 s", "0.1 s", "0.1 s"]
    [times, *_] = running.wait_for(r"short KEEPS DYING: (\d+) times in \d+ s; tried for ever")
    assert times == "11"
    assert running.process.poll() is None


def test_a_long_life_makes_the_next_death_the_first_again(fleet):
    changes = {"BACK_OFF": [0.0, 0.01], "LONG_LIFE": 0.3, "MISCONFIGURED": 0.0}
    running = fleet(changes, short="sleep 0.5; exit 1")
    running.wait_for("short died", times=3)
    assert "in 0.01 s" not in running.log()


def test_who_ends_by_itself_right_after_the_first_start_takes_the_others_along_and_the_status_says_so(fleet):
    running = fleet({}, quiet=WAITS, short="echo going; exit 0")
    assert running.process.wait(20) == 1
    assert "short | going\n" in running.log()
    assert "short ended by itself (status 0): stopping the others\nended: quiet -15, short 0\n" in running.log()


def test_a_process_that_will_not_end_is_killed_with_its_children(fleet):
    running = fleet(stubborn="trap '' TERM; echo up; sleep 60; sleep 60", quiet=WAITS)
    running.wait_for("stubborn | up")
    assert running.stop() == 1
    assert "stubborn did not end within 2 s: killed\nended: stubborn -9, quiet -15\n" in running.log()


def test_children_of_a_killed_process_are_gone_before_its_successor_starts(fleet):
    running = fleet(parent="sleep 61 & echo child $!; wait")
    [child] = running.wait_for(r"child (\d+)")
    os.kill(running.pid("parent"), signal.SIGKILL)
    running.wait_for(r"child (\d+)", times=2)
    assert not lives(int(child))


def test_a_killed_fleet_takes_its_processes_along_and_the_next_one_starts_in_its_place(fleet):
    running = fleet(quiet=WAITS)
    first = running.next_pid("quiet")
    running.process.kill()
    running.process.wait(10)
    wait_until(lambda: not lives(first))
    again = fleet(quiet=WAITS)
    assert again.next_pid("quiet", first)


def test_a_second_fleet_in_the_same_place_is_refused_and_harms_nobody(fleet):
    running = fleet(quiet=WAITS)
    pid = running.next_pid("quiet")
    second = fleet(quiet=WAITS)
    assert second.process.wait(20) == 1
    assert "not started: another fleet runs in" in second.log()
    assert running.pid("quiet") == pid and lives(pid)


def test_a_port_that_is_taken_ends_the_start(fleet):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = fleet(environment={"GATEWAY_HTTP_PORT": str(port)}, web=WAITS, quiet=WAITS)
        assert running.process.wait(20) == 1
    assert f"not started: web cannot listen on 127.0.0.1:{port}" in running.log()
    assert "ended" not in running.log(), "nothing was started"


def test_who_gives_no_sign_of_life_is_ended_and_started_again_but_not_while_it_works(fleet):
    running = fleet({**AT_ONCE, "SILENCE": 2.0, "LAST_WORDS": 0.2}, stuck=BEATS, works=BEATS, dumb=WAITS)
    works, stuck, dumb = (running.next_pid(name) for name in ("works", "stuck", "dumb"))
    wait_until(lambda: (running.run / f"stuck.{stuck}.alive").exists())
    os.kill(stuck, signal.SIGSTOP)
    assert running.next_pid("stuck", stuck)
    assert re.search(r"stuck gave no sign of life for 2 s: ended\nstuck did not end: killed\n", running.log())
    assert (running.pid("works"), running.pid("dumb")) == (works, dumb), "who never gave signs is not asked for them"


def test_a_reload_starts_the_successor_before_the_old_one_ends_one_after_the_other(fleet):
    running = fleet(beat=BEATS, worker=BEATS)
    first = {name: running.next_pid(name) for name in ("beat", "worker")}
    running.process.send_signal(signal.SIGHUP)
    for name, pid in first.items():
        assert running.next_pid(name, pid)
    running.wait_for(r"replaced, the old one ended with status -15", times=2)
    order = re.findall(r"^(beat|worker): (successor|replaced)", running.log(), re.MULTILINE)
    assert order == [
        ("beat", "successor"), ("beat", "replaced"), ("worker", "successor"), ("worker", "replaced"),
    ]  # fmt: skip
    assert not any(lives(pid) for pid in first.values())


def test_a_successor_that_does_not_work_leaves_the_old_one_and_ends_the_reload(fleet, tmp_path):
    running = fleet(beat=f"test -e {tmp_path}/broken && exit 4; {BEATS}", worker=BEATS)
    first = {name: running.next_pid(name) for name in ("beat", "worker")}
    wait_until(lambda: all((running.run / f"{name}.{pid}.alive").exists() for name, pid in first.items()))
    (tmp_path / "broken").touch()
    running.process.send_signal(signal.SIGHUP)
    running.wait_for(r"beat: the successor ended \(status 4\): the old one stays")
    running.wait_for("reload: given up, not replaced: beat, worker")
    assert {name: running.pid(name) for name in first} == first and all(map(lives, first.values()))


SAYS_ORDER = "echo order ${CRASH_AT:-none}; exec sleep 60"


def test_a_crash_is_ordered_for_one_start_and_only_where_orders_are_taken(fleet, tmp_path):
    (tmp_path / "run").mkdir()
    order = tmp_path / "run" / "one.env"
    order.write_text("CRASH_AT=claimed:3\n")
    deaf = fleet(one=SAYS_ORDER)
    deaf.wait_for("order none")
    deaf.stop()
    assert order.exists()
    hears = fleet(environment={"GATEWAY_CRASH_SEAM": "1"}, one=SAYS_ORDER, other=SAYS_ORDER)
    hears.wait_for(r"one +\| order claimed:3")
    hears.wait_for(r"other \| order none")
    assert not order.exists()
    os.kill(hears.pid("one"), signal.SIGKILL)
    hears.wait_for(r"one +\| order none")


SERVES = (
    f'exec {sys.executable} -c "import socketserver, http.server, os; '
    "os.environ['LISTEN_PID'] == str(os.getpid()) or exit(9); "
    "server = http.server.HTTPServer(('', 0), http.server.SimpleHTTPRequestHandler, bind_and_activate=False); "
    "import socket; server.socket = socket.socket(fileno=3); server.service_actions = "
    "lambda: open(os.environ['GATEWAY_ALIVE_FILE'], 'w').close(); server.serve_forever()\""
)


def test_connections_wait_while_the_web_is_away(fleet):
    port = free_port()
    running = fleet(environment={"GATEWAY_HTTP_PORT": str(port)}, web=SERVES)

    def ask():
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).status

    first = running.next_pid("web")
    assert ask() == 200
    os.kill(first, signal.SIGKILL)
    assert ask() == 200, "not refused"
    assert running.next_pid("web", first)
