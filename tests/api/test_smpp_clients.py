"""/api/v1/smpp-clients: a customer sees his own SMPP accounts, their binds and their wire, and nobody else's."""

from datetime import timedelta

import pytest

from accounts.models import ClientBind
from common.clock import utc_now
from common.ids import new_id
from messaging import wirelog
from messaging.wirelog import Entry, Subject
from smpp import pdu as p
from smpp.codec import encode
from smpp.constants import CommandStatus as S
from smpp.tapping import RECEIVED, SENT
from tests.api.lanes import ByDjango
from tests.api.sending import customer
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True)]
CLIENTS = "/api/v1/smpp-clients"


@pytest.fixture
def django():
    return ByDjango()


def esme(who, **fields):
    return cast.make_smpp_client(who.cast.account, **fields)


def keep(kind, client, *pdus):
    """PDUs a second apart, requests from the client and answers to him."""
    start = utc_now().timestamp() - 60
    entries = [
        Entry(start + number, SENT if pdu.is_response else RECEIVED, "1.2.3.4:5", encode(pdu), note)
        for number, (pdu, note) in enumerate(pdus)
    ]
    wirelog.store("host:1", [(Subject(kind, client.pk), entries)])


def bind(client, *, ended=False, **fields):
    now = utc_now()
    values = {
        "mode": "transceiver", "version": 0x34, "address": "1.2.3.4", "port": 5, "server": "inner-host:77",
        "since": now - timedelta(minutes=1), "seen_at": now, "ended_at": now if ended else None,
    }  # fmt: skip
    return ClientBind.objects.create(id=new_id(), smpp_client=client, **values | fields)


def test_the_accounts_are_listed_with_the_binds_that_are_up_and_no_secret(django):
    who, other = customer(), customer()
    one, two = esme(who, tps=7, window=9), esme(who, active=False)
    esme(other)
    up = bind(one, submitted=3)
    bind(one, ended=True)
    answer = who.get(django, CLIENTS)
    told = answer.json["smpp_clients"]
    assert [client["system_id"] for client in told] == sorted([one.system_id, two.system_id])
    mine = next(client for client in told if client["system_id"] == one.system_id)
    assert (mine["tps"], mine["window"], mine["active"]) == (7, 9, True)
    [live] = mine["binds"]
    assert (live["id"], live["link"], live["version"], live["submitted"]) == (str(up.pk), "1.2.3.4:5", "3.4", 3)
    assert b"password" not in answer.body and b"argon2" not in answer.body and b"inner-host" not in answer.body


def test_the_log_shows_the_customers_own_texts_and_the_reason_of_a_refusal(django):
    who = customer()
    client = esme(who)
    keep(
        "client", client, (p.SubmitSm(sequence=1, destination_addr="12", short_message=b"Hello"), ""),
        (p.SubmitSmResp(sequence=1, status=S.ESME_RINVDSTADR), "Invalid destination number (to: too_short)"),
    )  # fmt: skip
    told = who.get(django, f"{CLIENTS}/{client.system_id}/log").json
    answer, request = told["entries"]
    assert told["next_cursor"] is None
    assert request["text"]["content"] == "Hello" and request["fields"]["destination_addr"] == "12"
    assert (answer["status_name"], answer["milliseconds"]) == ("ESME_RINVDSTADR", 1000.0)
    assert answer["reason"] == "Invalid destination number (to: too_short)"


def test_the_log_is_narrowed_and_read_page_by_page(django):
    who = customer()
    client = esme(who)
    keep("client", client, *((p.EnquireLink(sequence=n), "") for n in range(1, 6)))
    keep("knock", client, (p.BindReceiver(sequence=9), ""), (p.BindReceiverResp(sequence=9, status=14), "wrong"))
    path = f"{CLIENTS}/{client.system_id}/log"

    def found(query):
        return [entry["sequence"] for entry in who.get(django, f"{path}?{query}").json["entries"]]

    assert found("command=enquire_link") == [5, 4, 3, 2, 1]
    assert found("errors=1") == found("status=ESME_RINVPASWD") == found("status=0x0e") == [9, 9]
    assert found("errors=0&limit=1000&number=") != []
    seen, cursor = [], ""
    while cursor is not None:
        page = who.get(django, f"{path}?command=enquire_link&limit=2&cursor={cursor}").json
        seen += [entry["sequence"] for entry in page["entries"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]


def test_the_history_of_binds_names_ends_and_refusals(django):
    who = customer()
    client = esme(who)
    for number in range(3):
        bind(client, ended=True, reason=f"end {number}", since=utc_now() - timedelta(minutes=10 - number))
    keep("knock", client, (p.BindReceiver(sequence=9), ""), (p.BindReceiverResp(sequence=9, status=14), "wrong"))
    path = f"{CLIENTS}/{client.system_id}/binds"
    first = who.get(django, f"{path}?limit=2").json
    assert [one["reason"] for one in first["binds"]] == ["end 2", "end 1"]
    assert [(one["status_name"], one["reason"]) for one in first["refused"]] == [("ESME_RINVPASWD", "wrong")]
    last = who.get(django, f"{path}?limit=2&cursor={first['next_cursor']}").json
    assert [one["reason"] for one in last["binds"]] == ["end 0"]
    assert (last["refused"], last["next_cursor"]) == ([], None)


@pytest.mark.parametrize("rest", ["log", "binds"])
@pytest.mark.parametrize("name", ["nobody", "%00", "x" * 300, "..%2f..", None])
def test_what_is_not_ones_own_is_404_in_the_same_words(django, name, rest):
    who = customer()
    foreign = esme(customer())
    keep("client", foreign, (p.EnquireLink(sequence=1), ""))
    answer = who.get(django, f"{CLIENTS}/{name or foreign.system_id}/{rest}")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert foreign.system_id.encode() not in answer.body


@pytest.mark.parametrize(
    ("rest", "query", "field", "code"),
    [
        ("", "limit=5", "limit", "unknown_field"),
        ("log", "limit=0", "limit", "invalid_value"),
        ("log", "limit=1001", "limit", "invalid_value"),
        ("log", "cursor=x", "cursor", "invalid_value"),
        ("log", "cursor=" + "0" * 16, "cursor", "invalid_value"),
        ("log", "status=bad", "status", "invalid_value"),
        ("log", "errors=yes", "errors", "invalid_value"),
        ("log", "since=yesterday", "since", "invalid_value"),
        ("log", "until=2027-01-31T09:00:00", "until", "invalid_value"),
        ("log", "texts=1", "texts", "unknown_field"),
        ("log", "number=%00", "number", "invalid_value"),
        ("log", "number=abc", "number", "invalid_value"),
        ("log", "command=banana", "command", "invalid_value"),
        ("binds", "limit=501", "limit", "invalid_value"),
        ("binds", "command=x", "command", "unknown_field"),
        ("binds", "cursor=x", "cursor", "invalid_value"),
    ],
)
def test_a_parameter_that_is_none_is_named(django, rest, query, field, code):
    who = customer()
    path = f"{CLIENTS}/{esme(who).system_id}/{rest}" if rest else CLIENTS
    answer = who.get(django, f"{path}?{query}")
    assert (answer.status, answer.json["code"], list(answer.json["fields"])) == (400, code, [field])
