"""A second opinion by smpplib: bounded, careful with credentials, and honest about that library's defects."""

import json
import socket
from contextlib import ExitStack, contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from connectors import credential_checks
from connectors.models import CredentialCheck
from smpp.constants import CommandStatus
from tests.support import cast
from tests.workers.bind_cast import carrier
from workers import second_opinion

pytestmark = pytest.mark.django_db


def run(*words):
    """What the command says, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("smpp_probe", *words, "--json", stdout=out)
    except SystemExit as error:
        code = int(error.code or 0)
    return json.loads(out.getvalue()), code


def one(*words):
    """What it says of the only host, and its exit code."""
    told, code = run(*words)
    [host] = told["hosts"]
    return {**told, **host}, code


def test_without_being_asked_it_connects_and_does_not_bind():
    with carrier() as smsc:
        told, code = one(cast.make_connector(port=smsc.port).name)
        assert (code, told["connect"]["ok"], told["bind"]) == (0, True, None)
        assert smsc.counters["binds"] == smsc.counters["refused_binds"] == 0
    assert not AuditEntry.objects.exists()


def test_with_bind_it_binds_asks_sends_and_says_good_bye():
    with carrier(credentials={"gateway": "secret"}) as smsc:
        line = cast.make_connector(port=smsc.port)
        told, code = one(line.name, "--bind", "--send", cast.NUMBER, "Café ` {€}")
        assert code == 0 and told["ok"], told
        assert [told[step]["ok"] for step in ("connect", "bind", "enquire_link", "send")] == [True] * 4
        assert told["send"]["message_id"] and told["by"].startswith("smpplib ")
        assert [message.text for message in smsc.messages] == ["Café ` {€}"] or told["send"]["status"] == 0
    assert AuditEntry.objects.get().action == "probe"
    assert CredentialCheck.objects.get().verified_at


def test_a_refused_bind_counts_among_the_tries_of_the_binds_and_ends_with_one():
    with carrier(credentials={"gateway": "right"}) as smsc:
        line = cast.make_connector(port=smsc.port)
        for _ in range(3):
            told, code = one(line.name, "--bind", "--force")
            assert (code, told["bind"]["name"]) == (1, "ESME_RINVPASWD")
        told, code = one(line.name, "--bind")
        assert code == 1 and "not tried: the carrier refused our credentials" in told["error"]
        assert smsc.counters["refused_binds"] == CredentialCheck.objects.get().refusals == 3


def test_an_address_needs_no_connector_and_the_password_is_not_in_the_command_line(monkeypatch):
    monkeypatch.setenv("SMPP_PASSWORD", "right")
    with carrier(credentials={"probe": "right"}) as smsc:
        where = ("--host", "127.0.0.1", "--port", str(smsc.port))
        told, code = one(*where, "--bind", "--system-id", "probe")
        assert code == 0 and told["enquire_link"]["ok"]
        assert smsc.counters["binds"] == 1


def test_a_carrier_that_hangs_is_left_in_time(monkeypatch):
    monkeypatch.setattr(second_opinion, "STEP_SECONDS", 0.2)
    with carrier(refuse_binds="hang") as smsc:
        line = cast.make_connector(port=smsc.port)
        told, code = one(line.name, "--bind")
        assert code == 1 and not told["bind"]["ok"] and told["enquire_link"] is None
        mark = credential_checks.fingerprint(second_opinion.view_of(line.pk))
        assert credential_checks.ask(line.pk, mark, patience=1).go


def test_a_closed_port_is_said_and_long_passwords_are_warned_of():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        line = cast.make_connector(port=closed.getsockname()[1], password="longer-than-8")
        told, code = one(line.name)
    assert code == 1 and "refused" in told["error"] and "8 characters of the password" in told["warnings"][0]


def test_every_host_is_asked_and_one_that_does_not_work_ends_with_one():
    with carrier() as first, carrier() as second, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        more = [f"127.0.0.1:{port}" for port in (closed.getsockname()[1], second.port)]
        line = cast.make_connector(port=first.port, more_hosts=more)
        told, code = run(line.name, "--bind", "--send", cast.NUMBER, "once")
        assert [host["host"] for host in told["hosts"]] == [f"127.0.0.1:{first.port}", *more]
        assert [host["ok"] for host in told["hosts"]] == [True, False, True] and (code, told["ok"]) == (1, False)
        assert told["error"].startswith(f"{more[0]}: ") and "refused" in told["error"]
        assert (first.counters["binds"], second.counters["binds"]) == (1, 1)
        assert [host["send"] is not None for host in told["hosts"]] == [True, False, False]  # one text in all


def test_once_a_host_refuses_our_credentials_the_others_are_not_tried():
    with carrier(credentials={"gateway": "right"}) as first, carrier(credentials={"gateway": "right"}) as second:
        line = cast.make_connector(port=first.port, more_hosts=[f"127.0.0.1:{second.port}"])
        told, code = run(line.name, "--bind", "--force")
        assert code == 1 and "not tried: 127.0.0.1:" in told["hosts"][1]["error"]
        assert (first.counters["refused_binds"], second.counters["refused_binds"]) == (1, 0)
        assert CredentialCheck.objects.get().refused_by == f"127.0.0.1:{first.port}"


BIND_FAILED, SYSTEM_ERROR = int(CommandStatus.ESME_RBINDFAIL), int(CommandStatus.ESME_RSYSERR)


@contextmanager
def four_hosts(*refusals):
    """A connector with four hosts, each of which refuses binds with its status, or takes them for None."""
    with ExitStack() as stack:
        ports = [stack.enter_context(carrier(refuse_binds=refusal and str(refusal))).port for refusal in refusals]
        yield cast.make_connector(port=ports[0], more_hosts=[f"127.0.0.1:{port}" for port in ports[1:]])


def refused_tries():
    return CredentialCheck.objects.values_list("refusals", flat=True).get()


def test_one_command_counts_as_one_try_however_many_hosts_refuse():
    with four_hosts(*[BIND_FAILED] * 4) as line:
        for counted in range(1, 4):
            told, code = run(line.name, "--bind", "--force")
            assert [host["bind"]["status"] for host in told["hosts"]] == [BIND_FAILED] * 4 and code == 1
            assert refused_tries() == counted
        turn = credential_checks.ask(
            line.pk, credential_checks.fingerprint(second_opinion.view_of(line.pk)), patience=1
        )
        assert turn.wait > credential_checks.PAUSE - 60


def test_a_wrong_password_after_other_refusals_is_the_one_try_of_the_command():
    wrong = int(CommandStatus.ESME_RINVPASWD)
    with four_hosts(BIND_FAILED, BIND_FAILED, wrong, None) as line:
        told, _ = run(line.name, "--bind", "--force")
        assert "not tried" in told["hosts"][3]["error"]
        assert CredentialCheck.objects.values("refusals", "last_status").get() == {"refusals": 1, "last_status": wrong}


@pytest.mark.parametrize("refusals", [(None, *[BIND_FAILED] * 3), [SYSTEM_ERROR] * 4], ids=["taken", "system error"])
def test_what_says_nothing_of_our_credentials_is_no_try(refusals):
    with four_hosts(*refusals) as line:
        run(line.name, "--bind", "--force")
        assert not CredentialCheck.objects.filter(refusals__gt=0).exists()


def test_people_read_a_line_a_step_below_each_host():
    with carrier() as smsc, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        out, port = StringIO(), smsc.port
        with pytest.raises(SystemExit):
            call_command(
                "smpp_probe",
                cast.make_connector(port=port, more_hosts=[f"127.0.0.1:{closed.getsockname()[1]}"]).name,
                stdout=out,
            )
    words = out.getvalue().splitlines()
    assert words[0] == f"127.0.0.1:{port}" and words[1].startswith("ok    connect")
    assert words[2].startswith("127.0.0.1:") and words[3].startswith("fail  connect") and len(words) == 4


@pytest.mark.parametrize(
    "words", [(), ("nowhere",), ("x", "--host", "127.0.0.1"), ("--host", "127.0.0.1", "--send", "1", "x")]
)
def test_what_cannot_be_asked_ends_with_one_line(words):
    with pytest.raises(CommandError):
        run(*words)
