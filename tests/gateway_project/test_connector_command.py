"""`manage.py connector` reads like a sentence, takes --json, and ends with 1 when a line does not work."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from common.alerts import raise_alert
from connectors.models import BindLease, BindState, Connector
from gateway_project.doctor import alerts as alerts_check
from gateway_project.doctor.findings import Level
from messaging.rows import database_now
from tests.support import cast
from tests.workers.bind_cast import carrier

pytestmark = pytest.mark.django_db


def told(*words):
    """What it says, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("connector", *words, stdout=out)
    except SystemExit as error:
        code = int(error.code or 0)
    return out.getvalue(), code


def up(line):
    BindLease.objects.create(connector=line, bind_no=1, owner="o", expires_at=database_now() + timedelta(minutes=1))
    BindState.objects.create(connector=line, bind_no=1, state="bound", rate=12.5)


def test_list_and_show_tell_people_and_programs_the_same():
    line = cast.make_connector(password="planted-secret")
    up(line)
    lines, code = told("list")
    assert code == 0 and f"{line.name} " in lines and "1/1 bound" in lines and "12.5/s" in lines
    shown, _ = told("show", line.name)
    facts = json.loads(told("show", line.name, "--json")[0])
    assert facts["bound"] == 1 and facts["host"] in shown and "planted" not in shown + str(facts)
    assert [row["name"] for row in json.loads(told("list", "--json")[0])] == [line.name]


def test_a_deed_without_wait_tells_what_is_wanted_now():
    line = cast.make_connector()
    assert "draining" in told("drain", line.name)[0]
    assert json.loads(told("stop", line.name, "--json")[0])["reached"] is None
    assert Connector.objects.get().desired == "stopped"
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["drain", "stop"]


def test_diagnose_ends_with_one_only_when_it_does_not_work():
    with carrier() as smsc:
        line = cast.make_connector(port=smsc.port)
        words, code = told("diagnose", line.name)
        assert code == 1 and words.startswith("fail  no process serves") and "→ start the process binds" in words
        up(line)
        words, code = told("diagnose", line.name)
        assert code == 0 and words.startswith(f"ok    {line.name} is up: 1 of 1 binds") and "addresses" in words
        assert smsc.counters["binds"] == 0


def test_diagnose_binds_by_smpplib_only_when_asked():
    with carrier(credentials={"gateway": "secret"}) as smsc:
        line = cast.make_connector(port=smsc.port)
        up(line)
        found = json.loads(told("diagnose", line.name, "--probe", "--json")[0])
        assert found["second_opinion"]["hosts"][0]["bind"]["ok"] and smsc.counters["binds"] == 1


@pytest.mark.parametrize("words", [("show", "nowhere"), ("diagnose", "nowhere"), ("start", "nowhere")])
def test_a_name_that_does_not_exist_is_one_line(words):
    with pytest.raises(CommandError, match=r"^There is no connector nowhere$"):
        told(*words)


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "86401"])
def test_a_wait_that_is_none_is_one_line_and_nothing_is_done(seconds):
    line = cast.make_connector()
    with pytest.raises(CommandError, match=f"^--wait {seconds}: 0 to 86400 seconds$"):
        told("stop", line.name, f"--wait={seconds}")
    assert Connector.objects.get().desired == "started" and not AuditEntry.objects.exists()


def test_the_doctor_shows_alerts_that_are_open():
    assert [finding.level for finding in alerts_check.look()] == [Level.OK]
    raise_alert(key="k", level="fail", subject="connector smpp1", words="refused", advice="correct it")
    raise_alert(key="w", level="warn", subject="connector smpp2", words="slow")
    found = list(alerts_check.look())
    assert [(finding.level, finding.what) for finding in found] == [
        (Level.FAIL, "connector smpp1: refused"), (Level.WARN, "connector smpp2: slow"),
    ]  # fmt: skip
    assert found[0].do == "correct it" and found[1].do
