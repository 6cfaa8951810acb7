"""What acceptance means: message, parts, charge and outbox in one commit, and nothing at all for a refusal."""

import pytest
from common.clock import utc_now
from messaging.commands import SubmitCommand, SubmitRequest, Accepted
from messaging.intake import Intake
from messaging.models import Message, Part, OutboxBatch
from tests.support import cast

@pytest.mark.django_db(transaction=True)
def test_single():
    c = cast.customer("100")
    [answer] = Intake().submit_many([SubmitRequest([SubmitCommand(account=c.view, api_client=c.client_view, source="api", to=cast.NUMBER, content="hello", tags=["a"], tlvs={"x": 1})])])
    print(answer)
    assert c.balance == 99
    assert Message.objects.count() == Part.objects.count() == 1
