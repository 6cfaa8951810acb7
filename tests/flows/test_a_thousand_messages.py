"""A thousand messages through everything: none lost, none doubled, the books agree, one webhook each."""

from collections import Counter

import pytest
from django.core.management import call_command
from django.db import connections

from messaging.commands import Accepted, SubmitCommand, SubmitRequest
from messaging.intake import submit_many
from messaging.models import Part
from tests.support.cast import customer, make_connector
from tests.support.running import WebhookReceiver, parts_running
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

MESSAGES, BATCH = 1_000, 50
LONG_EVERY = 10  # each tenth has two parts


@pytest.fixture(autouse=True)
def connections_that_last(monkeypatch):
    """As in production: a new session for each batch would be half of the work."""
    monkeypatch.setitem(connections.databases["default"], "CONN_MAX_AGE", 60)


def test_a_thousand_messages_arrive_once_and_are_paid_and_told_once(capsys):
    config = SimulatorConfig(delay_ms="10-200", answer_ms="5-30", id_format="dec")
    with SimulatorThread(config) as smsc, WebhookReceiver() as webhook:
        line = make_connector(port=smsc.port, window=100, binds=2)
        cast = customer(5_000, connector=line, client={"dlr_url": webhook.url})
        with parts_running() as binds:
            wait_until(lambda: binds.bound() == 2)
            accepted = [one for start in range(0, MESSAGES, BATCH) for one in send(cast, range(start, start + BATCH))]
            wait_until(lambda: len(webhook.posts) >= MESSAGES, timeout=30, step=0.05)
        parts = sum(one.parts for one in accepted)
        assert parts == MESSAGES + MESSAGES // LONG_EVERY
        copies = Counter((m.destination, m.concat and m.concat.number) for m in smsc.messages)
        assert (len(copies), set(copies.values())) == (parts, {1})
        told = Counter(post["message_id"] for post in webhook.posts)
        assert told == dict.fromkeys((one.public_id for one in accepted), 1)
        assert {post["status"] for post in webhook.posts} == {"DELIVRD"}
        assert not Part.objects.exclude(status="DELIVERED").exists()
        assert cast.balance == 5_000 - parts
    call_command("audit_ledger")
    assert "0 findings" in capsys.readouterr().out


def send(cast, numbers):
    commands = [
        SubmitCommand(
            account=cast.view,
            api_client=cast.client_view,
            source="api",
            to=f"97150{number:07d}",
            content=f"marker {number} " + ("x" * 200 if number % LONG_EVERY == 0 else ""),
        )
        for number in numbers
    ]
    [outcomes] = submit_many([SubmitRequest(commands=commands)])
    assert all(isinstance(one, Accepted) for one in outcomes), outcomes
    return outcomes
