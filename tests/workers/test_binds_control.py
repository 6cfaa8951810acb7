"""Operators' deeds on a line that runs: no process restarts, nothing is lost, and the carrier is not pestered."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError

from accounts.models import AuditEntry
from common.alerts import open_alerts
from common.clock import utc_now
from connectors import answer_counts, services
from connectors.models import BindState, Connector, CredentialCheck
from messaging.diagnosis import diagnose
from messaging.models import Message
from smpp.constants import CommandStatus
from tests.support.cast import forget_snapshots, make_connector
from tests.support.waiting import wait_until
from tests.workers.bind_cast import carrier, on_line, scene, state
from workers.binds import drains, report, service
from workers.embedded import Binds

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Binds report and count several times a second."""
    monkeypatch.setattr(service, "REPORT_EVERY", 0.1)
    monkeypatch.setattr(service, "COUNT_EVERY", 0.2)
    monkeypatch.setattr(drains, "SETTLE", 0.3)


def run(*words):
    """The command's JSON; also of one that fails."""
    out = StringIO()
    call_command("connector", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_restart_opens_every_bind_anew_and_loses_nothing():
    with scene(simulator={"answer_ms": 300}, binds=2, window=5) as found:
        sent = found.send_all([{"to": f"97150{n:07d}", "content": f"text {n}"} for n in range(12)])
        told = run("restart", found.line.name, "--wait", "20")
        assert told["reached"] and told["bound"] == 2
        assert found.smsc.counters["binds"] == 4
        for message_id in sent:
            found.until_status(message_id, "DELIVERED", timeout=20)
        assert sorted(found.texts) == sorted(set(found.texts))
    entry = AuditEntry.objects.get(action="restart")
    assert (entry.actor, entry.details) == ("manage.py connector", {"generation": [0, 1]})


def test_stop_and_start_wait_for_what_the_binds_say_also_with_two_hosts():
    with scene(binds=2) as found:
        other = Binds()
        other.start()
        try:
            assert run("stop", found.line.name, "--wait", "15")["reached"]
            assert found.binds.bound() == other.bound() == 0
            waits = found.send()
            assert state(waits) == "QUEUED"
            assert run("start", found.line.name, "--wait", "15")["reached"]
            assert found.binds.bound() + other.bound() == 2
            found.until_status(waits, "DELIVERED")
        finally:
            other.stop()


def test_a_drain_takes_nothing_new_and_ends_when_what_was_queued_has_gone_out():
    with scene(simulator={"answer_ms": 150}, window=2) as found:
        sent = found.send_all([{"to": f"97150{n:07d}", "content": f"text {n}"} for n in range(8)])
        services.drain(connector=found.line)
        forget_snapshots()
        rows = Message.objects.count()
        with pytest.raises(AssertionError, match="no_route"):
            found.send(content="too late")
        assert Message.objects.count() == rows
        found.until(lambda: Connector.objects.get().desired == "drained", timeout=15)
        wait_until(lambda: not found.binds.bound())
        for message_id in sent:
            found.until(lambda message_id=message_id: state(message_id) in ("SUBMITTED", "DELIVERED"))
        assert sorted(found.texts) == sorted(f"text {n}" for n in range(8))
        assert AuditEntry.objects.filter(action="drained").exists()
        assert run("drain", found.line.name, "--wait", "5")["reached"]  # once more: it is so
        assert run("start", found.line.name, "--wait", "10")["reached"]
        found.until_status(found.send(content="again"), "DELIVERED")


def test_what_makes_no_sense_is_refused_and_changes_nothing():
    with carrier() as smsc, on_line(smsc, bound=False, desired="stopped") as found:
        for deed in ("restart", "drain"):
            with pytest.raises(CommandError, match="is stopped: start it first"):
                run(deed, found.line.name)
        with pytest.raises(CommandError, match="There is no connector nowhere"):
            run("stop", "nowhere")
        assert Connector.objects.get().desired == "stopped" and not AuditEntry.objects.exists()


def test_waiting_in_vain_ends_with_the_reason_and_status_one():
    with carrier(refuse_binds="0x08") as smsc, on_line(smsc, bound=False) as found:
        wait_until(lambda: BindState.objects.filter(bind_status=8).exists())

        def said() -> str:
            with pytest.raises(CommandError, match=r"not reached within 0.5 s: ") as vain:
                run("start", found.line.name, "--wait", "0.5")
            return str(vain.value)

        # A start lets the binds begin anew: for a moment nobody holds them, and that is said then.
        wait_until(lambda: re.search("1 of 1 binds are down: .*ESME_RSYSERR", said()), timeout=20)


def test_three_binds_on_two_hosts_try_wrong_credentials_three_times_together_and_raise_an_alert():
    secrets = {"credentials": {"gateway": "right"}}
    with carrier(**secrets) as smsc, on_line(smsc, bound=False, binds=3, password="wrong") as found:
        other = Binds()
        other.start()
        try:
            wait_until(open_alerts().exists, timeout=15)
            wait_until(lambda: BindState.objects.filter(state="refused", next_try_at__isnull=False).count() == 3)
            check = CredentialCheck.objects.get()
            assert check.next_try_at is not None and (check.next_try_at - utc_now()).total_seconds() > 880
            assert smsc.counters["refused_binds"] == check.refusals == 3

            services.restart(connector=found.line)  # an operator wants to see it
            wait_until(lambda: CredentialCheck.objects.get().refusals == 4)
            assert diagnose(found.line)["verdict"]["words"].startswith(f"127.0.0.1:{smsc.port} refuses the bind of")
            assert smsc.counters["refused_binds"] == 4

            found.change(password="right")
            wait_until(lambda: found.binds.bound() + other.bound() == 3, timeout=15)
            wait_until(lambda: not open_alerts().exists())
            assert smsc.counters["refused_binds"] == 4
        finally:
            other.stop()


def test_already_bound_waits_longer_than_the_carrier_remembers():
    with carrier(refuse_binds="0x05") as smsc, on_line(smsc, bound=False, inactivity_timeout=60) as found:
        row = wait_until(lambda: BindState.objects.filter(bind_status=5, next_try_at__isnull=False).first())
        assert (row.next_try_at - utc_now()).total_seconds() > 60
        assert "is bound already" in diagnose(found.line)["verdict"]["words"]
        assert not open_alerts().exists() and smsc.counters["refused_binds"] == 1


@pytest.mark.parametrize("status", ["0xFFFFFFFF", "0x80000000"])
def test_a_refusal_with_a_status_of_a_carriers_own_is_reported(status):
    with carrier(refuse_binds=status) as smsc, on_line(smsc, bound=False):
        refused = BindState.objects.filter(bind_status=int(status, 0), last_error__icontains=status[2:])
        assert not wait_until(refused.first).bound_at


def test_lines_that_work_are_reported_beside_one_that_cannot_be():
    broken, works = make_connector(), make_connector()
    rows = [
        BindState(connector=broken, bind_no=1, state="waiting", submitted=2**70),  # no column holds that
        BindState(connector=works, bind_no=1, state="bound"),
    ]
    with pytest.raises((DataError, OverflowError)):
        report.write(rows)
    assert BindState.objects.get().bound_at and BindState.objects.get().connector == works


def test_binds_report_round_trip_ceiling_and_what_was_answered():
    refusing = {"refuse_every": f"2:{int(CommandStatus.ESME_RINVDSTADR)}"}
    with scene(simulator=refusing, enquire_link_interval=1) as found:
        found.send_all([{"to": f"97150{n:07d}", "content": f"text {n}"} for n in range(6)])
        wait_until(lambda: answer_counts.histogram(found.line.pk) == {0: 3, int(CommandStatus.ESME_RINVDSTADR): 3})
        row = wait_until(lambda: BindState.objects.filter(probe_ms__isnull=False).first())
        assert 0 <= row.probe_ms < 1000 and row.bind_status == 0 and row.ceiling is None
        told = diagnose(found.line)
        assert told["answers"]["by_status"] == {"ESME_ROK": 3, "ESME_RINVDSTADR": 3}
        assert told["verdict"] == {"level": "ok", "words": f"{found.line.name} is up: 1 of 1 binds", "do": ""}
        assert told["network"][0]["tcp"]["ok"] and told["network"][0]["dns"]["addresses"] == ["127.0.0.1"]
        assert "secret" not in json.dumps(told, default=str)


def test_a_learned_ceiling_is_shown():
    with scene(simulator={"throttle_rate": 5}, window=10) as found:
        found.send_all([{"to": f"97150{n:07d}", "content": f"text {n}"} for n in range(30)])
        wait_until(lambda: BindState.objects.filter(ceiling__isnull=False).exists())
        told = diagnose(found.line, network=False)
        assert told["connector"]["throughput"]["learned_ceiling"] > 0
        assert "to slow down" in told["verdict"]["words"]


def test_settings_that_change_reach_the_binds_without_a_restart_of_the_process():
    with carrier() as first, carrier() as second, on_line(first) as found:
        found.change(port=second.port)
        wait_until(lambda: second.counters["sessions"] == 1)
        assert first.counters["sessions"] == 0
        found.until_status(found.send(), "DELIVERED")
