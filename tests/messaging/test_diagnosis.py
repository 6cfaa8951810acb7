"""Why a line is down, in one sentence that a person can act upon; whatever the network does, it answers in time."""

import json
import socket
import ssl
import time
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.clock import utc_now
from common.ids import new_id
from connectors import probing
from connectors.models import BindLease, BindState, Connector, CredentialCheck
from connectors.snapshot import view_of
from messaging.diagnosis import diagnose, overview, overviews
from messaging.diagnosis.verdict import verdict
from messaging.models import Part
from messaging.rows import database_now
from tests.support import cast
from tests.support.certificates import self_signed
from workers.simulator import SimulatorConfig, SimulatorThread

HOUR = timedelta(hours=1)
AT = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
HOST: dict[str, Any] = {
    "host": "carrier.example", "port": 2775, "dns": {"ok": True}, "tcp": {"ok": True}, "tls": None,
}  # fmt: skip
OTHER = HOST | {"host": "other.example", "tcp": {"ok": False, "error": "Connection refused"}}
BIND = {"state": "bound", "bind_status": None, "last_error": "", "next_try_at": None}
WELL: dict[str, Any] = {
    "connector": {
        "name": "smpp1", "host": "carrier.example", "port": 2775, "username": "gateway", "status": "started",
        "bound": 2, "binds": [BIND, BIND], "queued": {"parts": 0, "or_more": False},
        "throughput": {"learned_ceiling": None},
        "credentials": {"refusals": 0, "last_refusal": None, "refused_by": "", "next_try_at": None},
    },
    "network": [HOST],
    "answers": {"by_status": {"ESME_ROK": 1000}},
    "receipts": {"unmatched": 0, "unmatched_or_more": False},
}  # fmt: skip
DOWN = {"bound": 0, "binds": [BIND | {"state": "waiting", "last_error": "refused", "next_try_at": AT}] * 2}
REFUSED = {"refusals": 3, "last_refusal": "ESME_RINVPASWD", "refused_by": "other.example:2776", "next_try_at": AT}
CASES = [
    ("ok", {}, {}, "smpp1 is up: 2 of 2 binds"),
    ("warn", {"status": "off"}, {}, "smpp1 is switched off"),
    ("warn", {"status": "stopped", "queued": {"parts": 7, "or_more": False}}, {}, "messages wait for it; 7 parts wait"),
    ("warn", {"status": "drained"}, {}, "smpp1 was drained"),
    ("warn", {"status": "draining"}, {}, "smpp1 is being drained"),
    ("fail", {"bound": 0, "binds": [BIND | {"state": "unserved"}] * 2}, {}, "no process serves smpp1"),
    ("fail", {"bound": 0, "binds": [BIND | {"state": "silent"}] * 2}, {}, "says nothing"),
    (
        "fail", DOWN | {"credentials": REFUSED | {"refused_by": ""}}, {},
        "carrier.example:2775 refuses the bind of gateway: ESME_RINVPASWD, 3 times in a row; next try at 09:00:00 UTC",
    ),
    (
        "fail", DOWN, {"network": [HOST | {"dns": {"ok": False, "error": "unknown"}}]},
        "the name carrier.example is not found",
    ),
    (
        "fail", DOWN, {"network": [HOST | {"tcp": {"ok": False, "error": "Connection refused"}}]},
        "carrier.example:2775 takes no connection: Connection refused",
    ),
    (
        "fail", DOWN,
        {"network": [HOST | {"tls": {"ok": False, "error": "expired"}}]},
        "no TLS with carrier.example:2775: expired",
    ),
    ("fail", DOWN, {"network": [OTHER, OTHER]}, "Connection refused; nor do its 1 further hosts"),
    ("fail", DOWN, {"network": [HOST, OTHER]}, "2 of 2 binds are down"),
    ("warn", {}, {"network": [HOST, OTHER]}, "1 of 2 hosts cannot be reached: other.example:2775 takes no connection"),
    ("fail", {"bound": 0, "binds": [BIND | {"state": "x", "bind_status": "ESME_RALYBND"}] * 2}, {}, "bound already"),
    ("warn", {"bound": 1, "binds": [BIND, BIND | {"state": "x", "bind_status": "ESME_RBINDFAIL"}]}, {}, "and no more"),
    ("fail", DOWN, {}, "2 of 2 binds are down: waiting (refused), next try at 09:00:00 UTC"),
    ("fail", DOWN, {"network": None}, "2 of 2 binds are down"),
    ("warn", {"bound": 1, "binds": [BIND, DOWN["binds"][0]]}, {}, "1 of 2 binds are down"),
    ("warn", {"throughput": {"learned_ceiling": 41.5}}, {}, "to slow down: we send at most 41.5 a second now"),
    ("warn", {}, {"answers": {"by_status": {"ESME_ROK": 90, "ESME_RTHROTTLED": 10}}}, "asks smpp1 to slow down"),
    ("warn", {}, {"answers": {"by_status": {"ESME_ROK": 90, "no_answer": 10}}}, "were not answered"),
    ("ok", {}, {"answers": {"by_status": {"no_answer": 3}}}, "is up"),
    ("warn", {}, {"receipts": {"unmatched": 1000, "unmatched_or_more": True}}, "1000 or more receipts match no"),
]  # fmt: skip


def reached(line):
    view = view_of(line.pk)
    return probing.reach(view, view.places[0])


@pytest.mark.parametrize(("level", "line", "other", "words"), CASES, ids=[case[3][:40] for case in CASES])
def test_the_first_thing_that_explains_it_is_said(level, line, other, words):
    facts = deepcopy(WELL) | other
    facts["connector"] = facts["connector"] | line
    said = verdict(facts)
    assert (said.level, words in said.words) == (level, True), said
    assert bool(said.do) == (level != "ok")


def test_the_host_that_refused_is_named_and_not_the_first_one():
    facts = deepcopy(WELL)
    facts["connector"] |= DOWN
    facts["connector"]["credentials"] = REFUSED
    assert verdict(facts).words.startswith("other.example:2776 refuses the bind of gateway: ESME_RINVPASWD, 3 times")


@pytest.mark.both
@pytest.mark.django_db
def test_what_waits_is_counted_for_all_lines_by_one_statement_and_not_beyond_what_tells_more(monkeypatch):
    monkeypatch.setattr(import_module("messaging.diagnosis.overview"), "COUNTED", 2)
    lines = [cast.make_connector() for _ in range(4)]
    for line, waiting in zip(lines, (0, 1, 2, 3), strict=True):
        Part.objects.bulk_create(
            Part(id=new_id(), message_id=new_id(), seq=1, connector=line, lane="bulk", status=status)
            for status in ["QUEUED"] * waiting + ["DELIVERED"] * 3
        )
    with CaptureQueriesContext(connection) as seen:
        told = {line["name"]: line["queued"] for line in overviews()}
    assert [told[line.name] for line in lines] == [
        {"parts": 0, "or_more": False}, {"parts": 1, "or_more": False}, {"parts": 2, "or_more": False},
        {"parts": 2, "or_more": True},
    ]  # fmt: skip
    [counting] = [query["sql"] for query in seen if "messaging_part" in query["sql"]]
    assert "LIMIT 3" in counting
    Connector.objects.all().delete()
    assert overviews() == []


@pytest.mark.django_db
def test_an_overview_has_every_column_and_no_secret():
    line = cast.make_connector(password="planted-secret", tls_key="planted-key", binds=2, tps=50, provider="Carrier")
    now = database_now()
    BindLease.objects.create(connector=line, bind_no=1, owner="host:1|2.3.x", expires_at=now + HOUR)
    BindState.objects.create(
        connector=line, bind_no=1, state="bound", window_used=3, rate=12.5, ceiling=20.0, probe_ms=7.5,
        last_submit_at=now, last_receipt_at=now,
    )  # fmt: skip
    BindState.objects.create(connector=line, bind_no=2, state="bound")
    BindState.objects.create(connector=line, bind_no=3, state="bound", window_used=9)  # of a former setting
    CredentialCheck.objects.create(connector=line, refusals=1, last_status=0x0E)
    told = overview(line.name)
    assert told is not None and "planted" not in json.dumps(told, default=str)
    assert [bind["state"] for bind in told["binds"]] == ["bound", "unserved"]
    assert (told["bound"], told["window"], told["status"]) == (1, {"used": 3, "limit": 20}, "started")
    assert told["throughput"] == {"now": 12.5, "limit": 50, "learned_ceiling": 20.0}
    assert told["binds"][0]["owner"] == "host:1" and told["binds"][0]["enquire_link_ms"] == 7.5
    assert told["credentials"]["last_refusal"] == "ESME_RINVPASWD" and told["last_submit_at"] == now
    assert told["queued"] == {"parts": 0, "or_more": False} and told["billing"]["currency"] == "USD"


@pytest.mark.django_db
def test_a_bind_that_fell_silent_is_not_called_bound():
    line = cast.make_connector()
    now = database_now()
    BindLease.objects.create(connector=line, bind_no=1, owner="o", expires_at=now + HOUR)
    BindState.objects.create(connector=line, bind_no=1, state="bound")
    BindState.objects.update(updated_at=now - HOUR)
    told = overview(line.name)
    assert told is not None and told["binds"][0]["state"] == "silent" and told["bound"] == 0


@pytest.mark.django_db
def test_a_bind_that_was_closed_under_traffic_sends_nothing():
    line = cast.make_connector(desired="stopped")
    BindLease.objects.create(connector=line, bind_no=1, owner="o", expires_at=database_now() + HOUR)
    BindState.objects.create(connector=line, bind_no=1, state="stopped", rate=36.0)
    told = overview(line.name)
    assert told is not None and told["throughput"]["now"] == 0.0 and told["binds"][0]["rate"] == 0.0


@pytest.mark.django_db
def test_a_list_costs_as_many_queries_for_eight_lines_as_for_one(django_assert_num_queries):
    for lines in (1, 8):
        while len(overviews()) < lines:
            cast.make_connector()
        with django_assert_num_queries(5):
            assert len(overviews()) == lines


@pytest.mark.django_db
def test_a_name_that_does_not_exist_and_a_port_that_nobody_listens_on_are_answers():
    nowhere = diagnose(cast.make_connector(host="nowhere.invalid"))
    assert not nowhere["network"][0]["dns"]["ok"] and nowhere["network"][0]["tcp"] is None
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = diagnose(cast.make_connector(port=closed.getsockname()[1]))
    [host] = refused["network"]
    assert host["tcp"]["error"] == "Connection refused" and host["dns"]["ok"]


@pytest.mark.django_db
def test_every_host_of_a_carrier_is_looked_at_and_no_more_than_eight():
    with socket.socket() as listening, socket.socket() as closed:
        for one in (listening, closed):
            one.bind(("127.0.0.1", 0))
        listening.listen()
        ports = [one.getsockname()[1] for one in (closed, listening)]
        more = [f"127.0.0.1:{ports[1]}", *["127.0.0.1"] * 9]
        line = cast.make_connector(port=ports[0], more_hosts=more)
        told = diagnose(line)["network"]
    assert len(told) == probing.MOST_HOSTS
    assert [(host["port"], host["tcp"]["ok"]) for host in told[:2]] == [(ports[0], False), (ports[1], True)]
    facts = overview(line.name)
    assert facts is not None and facts["more_hosts"] == more


@pytest.mark.django_db
def test_a_name_with_many_addresses_that_do_not_answer_takes_no_longer_than_one(monkeypatch):
    monkeypatch.setattr(probing, "SOCKET_SECONDS", 0.3)
    monkeypatch.setattr(probing, "_addresses", lambda host, port: ["192.0.2.1"] * 8)

    def silent(address, seconds):
        time.sleep(seconds)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    began = time.monotonic()
    tcp = reached(cast.make_connector()).tcp
    assert tcp is not None and tcp.error == "no answer in time" and time.monotonic() - began < 1


@pytest.mark.django_db
def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(probing, "NAME_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))
    began = time.monotonic()
    step = reached(cast.make_connector(host="slow.example")).dns
    assert (step.ok, step.error) == (False, "no answer in time") and time.monotonic() - began < 1.5


@contextmanager
def tls_carrier(folder):
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with SimulatorThread(SimulatorConfig(ssl_context=context)) as smsc:
        yield smsc.port, certificate.read_text()


@pytest.mark.django_db
def test_tls_tells_version_certificate_and_why_it_is_not_trusted(tmp_path):
    with tls_carrier(tmp_path) as (port, pem):
        stranger = reached(cast.make_connector(port=port, use_tls=True)).tls
        assert stranger is not None and not stranger.ok and "not to be trusted" in stranger.error
        assert stranger.found["subject"] == "CN=localhost" and stranger.found["verified"] is False
        known = reached(cast.make_connector(port=port, use_tls=True, tls_ca=pem)).tls
        assert known is not None and known.ok and known.found["version"] == "TLSv1.3" and known.found["verified"]
        assert known.found["expires_at"] > utc_now().isoformat()


@pytest.mark.django_db
def test_a_port_that_speaks_no_tls_is_said_to(monkeypatch):
    monkeypatch.setattr(probing, "TLS_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        reach = reached(cast.make_connector(port=silent.getsockname()[1], use_tls=True))
    assert reach.tcp is not None and reach.tcp.ok and reach.tls is not None and reach.tls.error == "no answer in time"


@pytest.mark.django_db
def test_a_broken_pem_text_is_an_answer(monkeypatch):
    monkeypatch.setattr(probing, "TLS_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        line = cast.make_connector(port=silent.getsockname()[1], use_tls=True, tls_ca="no pem")
        told = diagnose(line)
    [host] = told["network"]
    assert host["tls"]["ok"] is False and host["tls"]["error"]
