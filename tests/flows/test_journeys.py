"""The proof of step 1, on the embedded default and on the fleet: three credentials, long Arabic, a batch of 1,000."""

import base64
import contextlib
import json
import urllib.parse
import urllib.request
from collections import Counter

import pytest
import yaml

from tests.support.embedded import EmbeddedGateway
from tests.support.fleet import Fleet
from tests.support.running import WebhookReceiver
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ARABIC = "مرحبا بالعالم، هذه رسالة طويلة من البوابة. " * 6  # 258 UTF-16 units: four parts of 67


@contextlib.contextmanager
def embedded(place):
    gateway = EmbeddedGateway(place)
    with _carrier(gateway):
        gateway.start("--external-simulator")
        try:
            yield gateway
        finally:
            assert gateway.stop() == 0


@contextlib.contextmanager
def fleet(place):
    with Fleet(place) as gateway, _carrier(gateway):
        gateway.start()
        yield gateway
        assert gateway.stop() == 0


def _carrier(gateway):
    return SimulatorThread(SimulatorConfig(host="127.0.0.1", port=gateway.simulator_port))


@pytest.mark.parametrize("kind", [embedded, fleet])
def test_every_way_in_reaches_its_webhook_once_and_the_books_agree(kind, tmp_path):
    with WebhookReceiver() as customer, kind(tmp_path) as gateway:
        facts = json.loads((tmp_path / "demo.json").read_text())
        _send_receipts_to(gateway, tmp_path, customer.url)
        ids = [*_by_each_credential(gateway.port, facts), _arabic(gateway.port, facts), *_batch(gateway.port, facts)]
        wait_until(lambda: len(customer.posts) >= len(ids), timeout=90)
        gateway.manage("audit_ledger")
    told = Counter(post["message_id"] for post in customer.posts)
    assert told == Counter(ids)
    assert {post["status"] for post in customer.posts} == {"DELIVRD"}
    assert all(headers["webhook-signature"].startswith("v1,") for headers in customer.headers)


def _send_receipts_to(gateway, place, url):
    """The demo customer's own webhook, changed while everything runs: live within two seconds."""
    change = {"accounts": [{"name": "demo", "api_clients": [{"username": "demo_api", "dlr_url": url}]}]}
    (place / "change.yaml").write_text(yaml.safe_dump(change))
    gateway.manage("provision", str(place / "change.yaml"))


def _call(port, path, body=None, **headers):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def _by_each_credential(port, facts):
    user, password = facts["username"], facts["password"]
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    query = urllib.parse.urlencode(
        {"user": user, "password": password, "to": "971501234503", "content": "by URL", "from": "MYCOMPANY", "dr": "1"}
    )
    answers = [
        _call(port, "/api/v1/http-send", {"to": "971501234501", "content": "by key"}, **_key(facts)),
        _call(port, "/api/v1/http-send", {"to": "+971 501234502", "content": "Basic"}, Authorization=f"Basic {basic}"),
        _call(port, f"/api/v1/http-send?{query}"),
        _call(port, "/panel/api/v1/send", {"to": "971501234504", "content": "by panel"}, **_key(facts)),
    ]
    assert all(set(answer) == {"ok", "message_id"} and answer["ok"] for answer in answers)
    return [answer["message_id"] for answer in answers]


def _key(facts):
    return {"X-API-Key": facts["api_key"]}


def _arabic(port, facts):
    answer = _call(port, "/api/v1/messages", {"to": "971501234505", "content": ARABIC}, **_key(facts))
    assert (answer["parts"], answer["price"]) == (4, "4.0000")
    return answer["message_id"]


def _batch(port, facts):
    messages = [{"to": f"97150{i:07d}", "content": f"number {i}"} for i in range(1_000)]
    first = _call(port, "/api/v1/messages", {"messages": messages}, **_key(facts), **{"Idempotency-Key": "batch"})
    again = _call(port, "/api/v1/messages", {"messages": messages}, **_key(facts), **{"Idempotency-Key": "batch"})
    assert first == again
    assert (first["accepted"], first["refused"]) == (1_000, 0)
    assert [result["index"] for result in first["results"]] == list(range(1_000))
    return [result["message_id"] for result in first["results"]]
