"""What staff find in the log of a connector: every PDU of its binds, refused binds, and no password."""

import pytest

from messaging.models import WireLog
from messaging.wirelog import Filters, connector_log, refused_binds, wire_log
from tests.support.waiting import wait_until
from tests.workers.bind_cast import carrier, on_line, scene

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def told(line, **filters):
    page = wire_log(connector_log(line), filters=Filters(**filters), texts=True, limit=1000)
    return list(reversed(page.items))


def test_a_message_is_seen_going_out_and_its_receipt_coming_back():
    with scene() as found:
        sent = found.send(content="over the wire")
        found.until_status(sent, "DELIVERED")
        wait_until(lambda: WireLog.objects.filter(kind="connector", key=found.line.pk).exists(), timeout=5)
    names = [(one["direction"], one.get("command")) for one in told(found.line)]
    for wanted in [
        ("out", "bind_transceiver"), ("in", "bind_transceiver_resp"), ("out", "submit_sm"), ("in", "submit_sm_resp"),
        ("in", "deliver_sm"), ("out", "deliver_sm_resp"), ("out", "unbind"), ("in", "unbind_resp"),
    ]:  # fmt: skip
        assert wanted in names
    [submit, answer] = told(found.line, command="submit_sm")
    assert submit["text"]["content"] == "over the wire" and answer["milliseconds"] > 0
    [receipt, taken] = told(found.line, command="deliver_sm", message_id=answer["fields"]["message_id"])
    assert receipt["receipt"]["stat"] == "DELIVRD" and taken["status_name"] == "ESME_ROK"
    assert {one["link"] for one in told(found.line)} == {"1.1"}
    assert told(found.line)[-1]["reason"] == "ended: we unbound"
    assert told(found.line)[0]["fields"]["password"] == "********"
    assert "secret" not in str(told(found.line))


def test_a_refused_bind_says_what_the_carrier_said():
    with carrier(credentials={"gateway": "another"}) as smsc, on_line(smsc, bound=False) as found:
        wait_until(lambda: refused_binds(connector_log(found.line)), timeout=8)
        [refused, *_] = refused_binds(connector_log(found.line))
        assert refused["status_name"] == "ESME_RINVPASWD"
        reasons = [one["reason"] for one in told(found.line) if one["direction"] == "event"]
        assert any(reason.startswith("not bound: bind refused: ESME_R") for reason in reasons)
