"""Operators look at lines and operate them by the API; every deed stands in the audit log, no answer holds a secret."""

import socket

import pytest

from accounts.models import AuditEntry
from api.views import connectors as views
from common.alerts import raise_alert, resolve_alert
from connectors.models import Connector
from tests.api.lanes import ByDjango
from tests.api.test_staff_permissions import staff_key
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True)]


def ask(method, path, *scopes):
    return ByDjango().ask(method, path, None, {"X-Staff-Key": staff_key(*scopes)})


def deeds(line):
    rows = AuditEntry.objects.filter(entity="connector", entity_id=str(line.pk))
    return [(row.action, row.details, row.user is not None, row.ip) for row in rows.order_by("pk")]


def test_lines_are_listed_and_shown_without_their_secrets():
    line = cast.make_connector(password="planted-secret", tls_key="planted-key", tps=50)
    listed = ask("GET", "/api/v1/connectors", "read")
    one = ask("GET", f"/api/v1/connectors/{line.name}", "read")
    assert line.name in [row["name"] for row in listed.json["connectors"]]
    assert (one.status, one.json["status"], one.json["throughput"]["limit"]) == (200, "started", 50)
    assert b"planted" not in listed.body + one.body
    assert ask("GET", "/api/v1/connectors/nowhere", "read").status == 404


@pytest.mark.parametrize(
    ("deed", "status", "change"),
    [
        ("stop", "stopped", {"desired": ["started", "stopped"]}),
        ("drain", "draining", {"desired": ["started", "draining"]}),
        ("restart", "started", {"generation": [0, 1]}),
        ("start", "started", {}),
    ],
)
def test_a_deed_is_done_at_once_and_audited_under_the_persons_name(deed, status, change):
    line = cast.make_connector()
    answer = ask("POST", f"/api/v1/connectors/{line.name}/{deed}", "operate")
    assert (answer.status, answer.json["status"], answer.json["name"]) == (200, status, line.name)
    assert deeds(line) == [(deed, change, True, "127.0.0.1")]


@pytest.mark.parametrize("deed", ["restart", "drain"])
@pytest.mark.parametrize("state", [{"desired": "stopped"}, {"active": False}])
def test_a_line_that_is_not_started_is_neither_restarted_nor_drained(deed, state):
    line = cast.make_connector(**state)
    before = Connector.objects.filter(pk=line.pk).values().get()
    answer = ask("POST", f"/api/v1/connectors/{line.name}/{deed}", "operate")
    assert (answer.status, answer.json["code"]) == (409, "conflict") and "start it first" in answer.json["error"]
    assert Connector.objects.filter(pk=line.pk).values().get() == before and deeds(line) == []


def test_a_get_does_nothing_and_an_unknown_line_is_not_found():
    line = cast.make_connector()
    assert ask("GET", f"/api/v1/connectors/{line.name}/stop").status == 405
    assert ask("POST", "/api/v1/connectors/nowhere/stop").status == 404
    assert Connector.objects.get(pk=line.pk).desired == "started" and deeds(line) == []


def test_diagnostics_say_why_it_is_down():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        line = cast.make_connector(port=closed.getsockname()[1])
        answer = ask("GET", f"/api/v1/connectors/{line.name}/diagnostics", "read")
    assert answer.status == 200 and answer.json["network"][0]["tcp"]["error"] == "Connection refused"
    assert answer.json["verdict"]["level"] == "fail" and answer.json["verdict"]["words"]


def test_diagnoses_that_hang_leave_threads_for_others(monkeypatch):
    line = cast.make_connector()
    with views._looks, views._looks:
        answer = ask("GET", f"/api/v1/connectors/{line.name}/diagnostics", "read")
    assert answer.status == 503 and answer.headers["retry-after"] == "5"


def test_alerts_are_listed_while_they_are_open_and_all_when_asked():
    key = cast.unique("alert")
    raise_alert(key=key, level="fail", subject="connector smpp1", words="refused", advice="correct it")
    assert [a["words"] for a in ask("GET", "/api/v1/alerts", "read").json["alerts"] if a["key"] == key] == ["refused"]
    resolve_alert(key)
    assert key not in str(ask("GET", "/api/v1/alerts", "read").json)
    assert key in str(ask("GET", "/api/v1/alerts?state=all", "read").json)
    wrong = ask("GET", "/api/v1/alerts?state=some", "read")
    assert (wrong.status, wrong.json["fields"]) == (400, {"state": "open or all"})


@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("GET", "/log"), ("GET", "/diagnostics"), ("GET", "/dlr-doctor"), ("POST", "/start")],
)
def test_a_name_with_a_nul_is_nobodys_and_no_failure_of_the_database(method, rest):
    before = AuditEntry.objects.filter(entity="connector").count()
    answer = ask(method, f"/api/v1/connectors/%00{rest}", "read", "operate")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert AuditEntry.objects.filter(entity="connector").count() == before
