"""Operators read a connector's wire log and decide on its id rule by the API."""

import json
import time

import pytest

from accounts.models import AuditEntry
from api.views import connector_insight
from connectors.models import Connector
from messaging import wirelog
from messaging.models import IdRuleProposal, WireLog
from messaging.receipts import doctor
from messaging.wirelog import Entry, Subject
from smpp import pdu as p
from smpp.codec import encode
from smpp.tapping import SENT
from tests.api.lanes import ByDjango
from tests.api.test_connectors_api import ask, deeds
from tests.api.test_staff_permissions import staff_key
from tests.messaging.doctored import carrier
from tests.support import cast

pytestmark = [pytest.mark.django_db(transaction=True)]


def decide(name, body, *scopes):
    headers = {"X-Staff-Key": staff_key(*scopes), "Content-Type": "application/json"}
    return ByDjango().ask("POST", f"/api/v1/connectors/{name}/dlr-doctor", json.dumps(body).encode(), headers)


def sent(line, text=b"Your code is 4711"):
    frame = encode(p.SubmitSm(sequence=7, source_addr="ME", destination_addr="971501234567", short_message=text))
    entry = Entry(time.time(), SENT, "1.1", frame, "")
    wirelog.store("host:1", [(Subject(WireLog.Kind.CONNECTOR, line.pk), [entry])])


def test_a_connectors_log_is_read_decoded_with_its_texts_masked_and_no_other_lines():
    line, other = cast.make_connector(), cast.make_connector()
    sent(line)
    answer = ask("GET", f"/api/v1/connectors/{line.name}/log", "read")
    [entry] = answer.json["entries"]
    assert (answer.status, entry["command"], entry["sequence"], entry["direction"]) == (200, "submit_sm", 7, "out")
    assert b"4711" not in answer.body and b"Your code".hex().encode() not in answer.body
    assert ask("GET", f"/api/v1/connectors/{other.name}/log", "read").json["entries"] == []


def test_a_log_is_narrowed_and_a_wrong_filter_or_line_is_refused():
    line = cast.make_connector()
    sent(line)
    path = f"/api/v1/connectors/{line.name}/log"
    assert len(ask("GET", f"{path}?number=97150123", "read").json["entries"]) == 1
    assert ask("GET", f"{path}?number=4420", "read").json["entries"] == []
    assert ask("GET", f"{path}?limit=0", "read").status == 400
    assert ask("GET", f"{path}?sort=-id", "read").status == 400
    refused = ask("GET", f"{path}?command=banana", "read")
    assert refused.status == 400 and refused.json["fields"]["command"].startswith("bind_receiver, ")
    assert ask("GET", "/api/v1/connectors/nowhere/log", "read").status == 404


def test_the_doctor_tells_what_is_proposed_and_a_person_accepts_it():
    here = carrier()
    here.report(here.take(20))
    line = here.connector
    path = f"/api/v1/connectors/{line.name}/dlr-doctor"
    assert ask("GET", path, "read").json["fits"]["hex_to_dec"] == 20
    doctor.look_over()
    seen = ask("GET", path, "read").json["proposal"]["id"]
    other = decide(line.name, {"decision": "accept", "proposal": seen + 1}, "operate")
    assert (other.status, Connector.objects.get(pk=line.pk).id_rule) == (409, "as_is")
    answer = decide(line.name, {"decision": "accept", "proposal": seen}, "operate")
    assert (answer.status, answer.json["rule"], answer.json["state"]) == (200, "hex_to_dec", "accepted")
    assert Connector.objects.get(pk=line.pk).id_rule == "hex_to_dec"
    assert IdRuleProposal.objects.get().state == "ACCEPTED"
    assert AuditEntry.objects.filter(user__isnull=False, details__icontains="hex_to_dec").exists()


def test_examinations_that_take_long_leave_threads_for_others():
    line = cast.make_connector()
    with connector_insight._examinations, connector_insight._examinations:
        looked = ask("GET", f"/api/v1/connectors/{line.name}/dlr-doctor", "read")
        decided = decide(line.name, {"decision": "accept"}, "operate")
    assert (looked.status, looked.headers["retry-after"], decided.status) == (503, "5", 503)
    assert ask("GET", f"/api/v1/connectors/{line.name}/dlr-doctor", "read").status == 200


def test_a_decision_that_is_none_or_has_nothing_to_decide_changes_nothing():
    line = cast.make_connector()
    assert decide(line.name, {"decision": "maybe"}, "operate").status == 400
    assert decide(line.name, ["accept"], "operate").status == 400
    answer = decide(line.name, {"decision": "accept"}, "operate")
    assert (answer.status, answer.json["error"]) == (409, "Nothing is proposed")
    assert decide(line.name, {"decision": "accept"}, "read").status == 403
    assert Connector.objects.get(pk=line.pk).id_rule == "as_is" and deeds(line) == []
