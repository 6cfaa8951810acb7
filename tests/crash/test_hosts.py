"""What the proof with two hosts says of itself, and that hosts can be made, cut off and taken away again."""

import json
import subprocess

import pytest

from tests.crash import hosts
from tests.crash.netns import missing, network
from tests.crash.world import Line


def journal(tmp_path, *lines):
    file = tmp_path / "carrier.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def took(session, second, login="gw"):
    return {"system_id": login, "session": session, "received_at": f"2026-11-28T00:00:{second:02d}+00:00"}


def test_sessions_that_follow_each_other_are_no_double_bind(tmp_path):
    file = journal(tmp_path, took(1, 1), took(1, 5), took(2, 6), took(3, 2, "other"), took(2, 9))
    assert hosts.writers(file).holds
    assert hosts.writers(file).of == 3


def test_a_session_that_writes_after_its_successor_began_is_one(tmp_path):
    found = hosts.writers(journal(tmp_path, took(1, 1), took(2, 6), took(1, 7)))
    assert (found.holds, found.count) == (False, 1)


@pytest.mark.parametrize(("takeover", "holds"), [(14.9, True), (15.1, False), (None, False)])
def test_a_takeover_is_late_beyond_fifteen_seconds_or_when_it_never_came(takeover, holds):
    fault = {"kind": "kill-host", "skipped": "", "details": {"takeover": takeover}}
    assert hosts.takeovers({"faults": [fault]}).holds == holds


def test_the_further_file_has_the_carriers_address():
    text = Line(host="10.0.0.1", more=hosts.MORE).more.format(carrier_host="10.0.0.1", carrier_port=2775)
    assert 'host: "10.0.0.1", port: 2775' in text


def test_hosts_have_addresses_and_names_of_their_own_and_leave_nothing_behind(tmp_path):
    if reason := missing():
        pytest.skip(reason)
    log = tmp_path / "log"
    with network("one", "two") as made:
        for host in made.hosts.values():
            host.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            host.start("who", "echo $(hostname) $$", log)
            assert host.processes["who"].wait(20) == 0
        assert log.read_text().split() == ["one", "1", "two", "1"]
        addresses = [host.address for host in made.hosts.values()]
        assert len(set(addresses)) == 2
        made.hosts["one"].cut()
        reached = [subprocess.run(["ip", "-br", "link", "show", h.cable], capture_output=True, text=True).stdout
                   for h in made.hosts.values()]  # fmt: skip
        assert ["DOWN" in line or "LOWERLAYERDOWN" in line for line in reached] == [True, False]
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert not any(host.namespace in left for host in made.hosts.values())
