"""`manage.py smpp_log`: what it takes, what it refuses, what it shows."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, ClientBind
from common.clock import utc_now
from common.ids import new_id
from messaging import wirelog
from messaging.management.commands import smpp_log
from messaging.wirelog import EVENT, STRANGERS, Entry, Subject
from smpp import pdu as p
from smpp.codec import encode
from smpp.constants import CommandStatus as S
from smpp.tapping import RECEIVED, SENT
from tests.support.cast import make_account, make_connector, make_smpp_client

pytestmark = pytest.mark.django_db


def run(*arguments) -> list[str]:
    out = StringIO()
    call_command("smpp_log", *arguments, stdout=out)
    return out.getvalue().splitlines()


def entry(pdu, *, ago=10.0, way=RECEIVED, note="", link="1.2.3.4:5") -> Entry:
    return Entry(utc_now().timestamp() - ago, way, link, encode(pdu) if pdu else b"", note)


def keep(subject, *entries):
    wirelog.store("host:1", [(subject, entries)])


@pytest.fixture
def client():
    found = make_smpp_client(make_account())
    submit = p.SubmitSm(sequence=7, source_addr="ME", destination_addr="971501234567", short_message=b"Hello\x1b")
    answer = p.SubmitSmResp(sequence=7, status=S.ESME_RINVDSTADR)
    keep(
        Subject("client", found.pk), entry(submit), entry(answer, ago=9.99, way=SENT, note="No route to this number"),
        entry(p.EnquireLink(sequence=8), ago=9), entry(p.EnquireLinkResp(sequence=8), ago=8.9, way=SENT),
        entry(None, ago=8, way=EVENT, note="ended: the peer unbound"),
    )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a system_id, or --connector NAME, or --strangers"),
        (["one", "--connector", "two"], "name a system_id, or --connector NAME, or --strangers"),
        (["nobody"], "no SMPP client nobody"),
        (["--connector", "nothing"], "no connector nothing"),
        (["--strangers", "--since", "yesterday"], "--since yesterday: not an ISO 8601 time with offset"),
        (["--strangers", "--until", "2026-02-31T12:00:00Z"], "not an ISO 8601 time with offset"),
        (["--strangers", "--status", "bad"], "--status bad: a number, 0x58, or a name as ESME_RTHROTTLED"),
        (["--strangers", "--command", "banana"], "--command banana: bind_receiver, .*, with _resp for answers alone"),
        (["--strangers", "--binds", "--command", "banana"], "--command banana: "),
        (["--strangers", "--number", "abc"], "--number abc: 1 to 20 digits"),
        (["--strangers", "--limit", "0"], "--limit 0: 1 to 1000"),
        (["--strangers", "--limit", "1001"], "1 to 1000"),
    ],
)
def test_what_it_does_not_understand_it_refuses_in_one_line(arguments, said):
    with pytest.raises(CommandError, match=said) as raised:
        run(*arguments)
    assert "\n" not in str(raised.value)


def test_a_log_is_read_from_the_oldest_with_reasons_and_without_texts(client):
    lines = run(client.system_id)
    assert len(lines) == 5
    assert "<-  1.2.3.4:5  submit_sm  #7  source_addr=ME  destination_addr=971501234567" in lines[0]
    assert lines[0].endswith("6 octets") and "Hello" not in lines[0]
    assert "->  1.2.3.4:5  submit_sm_resp  #7  0x0000000B ESME_RINVDSTADR" in lines[1]
    assert lines[1].endswith("| No route to this number")
    assert lines[4].endswith("--  1.2.3.4:5  | ended: the peer unbound")


def test_texts_are_shown_when_asked_for_which_is_audited_and_never_write_to_the_terminal(client):
    run(client.system_id)
    assert not AuditEntry.objects.filter(action="smpp_log.texts").exists()
    assert "Hello" in run(client.system_id, "--texts")[0]
    assert AuditEntry.objects.get(action="smpp_log.texts").entity_id == client.system_id
    keep(STRANGERS, entry(p.BindTransceiver(system_id="\x1b]0;owned\x07", sequence=1)))
    [line] = run("--strangers")
    assert "\x1b" not in line and "·]0;owned·" in line


def test_a_log_is_narrowed(client):
    def told(*arguments):
        return [json.loads(line).get("command") for line in run(client.system_id, "--json", *arguments)]

    refused = ["submit_sm", "submit_sm_resp"]
    assert told("--errors") == [*refused, None]
    assert told("--command", "enquire_link") == ["enquire_link", "enquire_link_resp"]
    assert told("--number", "97150") == told("--status", "RINVDSTADR") == refused
    assert told("--message-id", "x") == []
    assert told("--limit", "2") == ["enquire_link_resp", None]
    assert told("--since", (utc_now() - timedelta(seconds=8.5)).isoformat()) == [None]
    assert told("--until", (utc_now() - timedelta(seconds=9.5)).isoformat()) == refused


def test_json_has_every_field_and_hides_texts_unless_asked(client):
    [submit, *_] = [json.loads(line) for line in run(client.system_id, "--json")]
    assert submit["fields"]["destination_addr"] == "971501234567" and submit["text"]["content"] is None
    [submit, *_] = [json.loads(line) for line in run(client.system_id, "--json", "--texts")]
    assert submit["text"]["content"].startswith("Hello")


def test_a_connectors_log_is_read_by_its_name():
    line = make_connector()
    keep(Subject("connector", line.pk), entry(p.EnquireLink(sequence=1), link="1.1", way=SENT))
    [told] = run("--connector", line.name)
    assert told.endswith("->  1.1  enquire_link  #1")


def test_following_goes_on_with_what_comes_until_it_is_interrupted(client, monkeypatch):
    looks = iter(range(3))

    def sleep(_seconds):
        if next(looks) == 2:
            raise KeyboardInterrupt
        keep(Subject("client", client.pk), entry(p.Unbind(sequence=9), ago=0))

    monkeypatch.setattr(smpp_log.time, "sleep", sleep)
    lines = run(client.system_id, "--follow")
    assert len(lines) == 5 + 2 and lines[-1].endswith("unbind  #9")


def test_the_history_of_binds_names_ends_and_refusals(client):
    now = utc_now()
    ClientBind.objects.create(
        id=new_id(), smpp_client=client, mode="transceiver", version=0x34, address="1.2.3.4", port=5, server="host:1",
        since=now - timedelta(hours=1), seen_at=now, ended_at=now, reason="the peer unbound", submitted=3,
    )  # fmt: skip
    refusal = p.BindReceiverResp(sequence=1, status=S.ESME_RINVPASWD)
    keep(
        Subject("knock", client.pk),
        entry(p.BindReceiver(system_id=client.system_id, sequence=1), link="6.6.6.6:6"),
        entry(refusal, way=SENT, note="wrong password", link="6.6.6.6:6"),
    )
    bind, refused = run(client.system_id, "--binds")
    assert "transceiver  1.2.3.4:5  host:1  submitted 3  refused 0  delivered 0  the peer unbound" in bind
    assert refused.endswith("refused  bind_receiver_resp  6.6.6.6:6  ESME_RINVPASWD  wrong password")
    told = [json.loads(line) for line in run(client.system_id, "--binds", "--json")]
    assert [one["reason"] for one in told] == ["the peer unbound", "wrong password"]
