"""`manage.py doctor`: what is down or hangs is a finding, never a traceback."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from gateway_project import doctor
from gateway_project.doctor.findings import Check, Level, address, ok

ROOT = Path(__file__).resolve().parent.parent.parent


def run(without: str = "", **environment: str) -> tuple[int, dict, str, float]:
    started = time.monotonic()
    inherited = {name: value for name, value in os.environ.items() if name != without}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env={**inherited, "DJANGO_SETTINGS_MODULE": "gateway_project.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    facts = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, facts, done.stderr, time.monotonic() - started


def by_check(facts: dict) -> dict[str, str]:
    return {finding["check"]: f"{finding['level']} {finding['what']}" for finding in facts["findings"]}


@pytest.fixture
def deaf_port():
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def stores_at(port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgres://gateway:s3cret@127.0.0.1:{port}/gateway",
        "BROKER_URL": f"amqp://gateway:s3cret@127.0.0.1:{port}//",
        "CACHE_URL": f"redis://:s3cret@127.0.0.1:{port}/0",
    }


def test_stores_that_are_down_are_findings(tmp_path):
    status, facts, errors, _ = run(**stores_at(1), GATEWAY_VAR=str(tmp_path))
    found = by_check(facts)
    assert status == 1 and facts["ok"] is False
    assert "Traceback" not in errors
    for check in ("database", "broker", "redis"):
        assert found[check].startswith("fail") and "does not answer" in found[check], found[check]
    for check in ("migrations", "partitions", "connectors", "work", "money"):
        assert found[check] == "warn not looked at while the database does not answer"
    assert "disk" in found and "s3cret" not in json.dumps(facts)


def test_stores_that_never_answer_do_not_hold_the_doctor_up(deaf_port, tmp_path):
    status, facts, errors, seconds = run(**stores_at(deaf_port), GATEWAY_VAR=str(tmp_path))
    found = by_check(facts)
    assert status == 1 and "Traceback" not in errors
    assert all(found[check].startswith("fail") for check in ("database", "broker", "redis"))
    assert seconds < 15  # of which the interpreter's start is most; each check has two


def test_settings_that_are_missing_are_one_line(tmp_path):
    status, _, errors, _ = run(without="SECRET_KEY", **stores_at(1), GATEWAY_VAR=str(tmp_path))
    assert status == 1 and len(errors.strip().splitlines()) == 1 and "SECRET_KEY" in errors


def test_a_check_that_hangs_or_breaks_leaves_the_others_alone():
    never = threading.Event()

    def hangs():
        yield ok("so far")
        never.wait(20)

    def breaks():
        raise RuntimeError("boom\nmore")

    started = time.monotonic()
    found = doctor.run(
        [Check("hangs", hangs), Check("breaks", breaks), Check("fine", lambda: [ok("all is well")])], patience=0.1
    )
    never.set()
    assert time.monotonic() - started < 5
    assert [(item.check, item.finding.level.value) for item in found] == [
        ("hangs", "ok"), ("hangs", "fail"), ("breaks", "fail"), ("fine", "ok"),
    ]  # fmt: skip
    assert "no answer within" in found[1].finding.what
    assert found[2].finding.what == "could not be checked: RuntimeError: boom"


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_ends_after_two_seconds():
    def slow():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        yield ok("never")

    (item,) = doctor.run([Check("slow", slow, needs_database=True)], patience=10)
    assert item.finding.level is Level.WARN and "too much" in item.finding.what


def test_an_address_never_shows_its_password():
    assert address("amqp://guest:secret@broker:5672//") == "broker:5672"
    assert address("redis://:secret@cache/0") == "cache"
