"""From acceptance over a real SMPP bind to the customer's webhook, on the stores of the suite."""

import pytest

from messaging.commands import Accepted, SubmitCommand, SubmitRequest
from messaging.intake import submit_many
from messaging.models import Message, Part
from tests.support.cast import customer, make_connector
from tests.support.running import WebhookReceiver, parts_running
from tests.support.waiting import wait_until
from workers.simulator import SimulatorConfig, SimulatorThread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_a_text_reaches_the_carrier_and_its_receipt_reaches_the_webhook():
    with SimulatorThread(SimulatorConfig(port=0)) as smsc, WebhookReceiver() as webhook:
        line = make_connector(port=smsc.port, window=50)
        cast = customer(connector=line, client={"dlr_url": webhook.url})
        with parts_running() as binds:
            wait_until(binds.bound)
            command = SubmitCommand(
                account=cast.view, api_client=cast.client_view, source="api", to="971501234567", content="Hello"
            )
            [[accepted]] = submit_many([SubmitRequest(commands=[command])])
            assert isinstance(accepted, Accepted)
            wait_until(lambda: webhook.of(accepted.public_id))
        [post] = webhook.of(accepted.public_id)
        assert post["status"] == "DELIVRD"
        assert post["msisdn"] == "971501234567"
        assert [m.text for m in smsc.messages] == ["Hello"]
        assert Message.objects.get(pk=accepted.message_id).status == "DELIVERED"
        assert Part.objects.get(message_id=accepted.message_id).status == "DELIVERED"
        assert cast.balance == 99
