"""Small batches of a busy line are recorded together; the hints that come after find nothing left."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging import receipts
from messaging.models import LineBatch
from messaging.receipts import batches
from messaging.receipts import line as recording
from tests.messaging.underway import bind, receipt_for, sent, shown, stored_receipts, waiting_lines
from tests.support.cast import customer

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


def stored(line, messages):
    return [receipts.store(line.connector_id, line.bind_no, [receipt_for(message)]) for message in messages]


def statements(ids):
    with CaptureQueriesContext(connection) as captured:
        receipts.record_waiting(ids, on_text=list)
    return len(captured)


def test_one_hint_records_everything_that_waits_at_the_price_of_one_batch(cast):
    line = bind(cast)
    alone = statements(stored(line, [sent(cast, line)]))
    many = [sent(cast, line) for _ in range(12)]
    first, *others = stored(line, many)
    assert statements([first]) <= alone + 6
    assert {shown(message).status for message in many} == {"DELIVERED"}
    assert waiting_lines() == 0
    assert receipts.record_waiting(others, on_text=list) == 0
    assert len(stored_receipts()) == 13


def test_batches_that_failed_before_are_left_to_their_date(cast):
    line = bind(cast)
    [failed] = stored(line, [sent(cast, line)])
    LineBatch.objects.filter(id=failed).update(tries=1)
    [fresh] = stored(line, [sent(cast, line)])
    receipts.record_waiting([fresh], on_text=list)
    assert list(LineBatch.objects.values_list("id", flat=True)) == [failed]


def test_a_transaction_has_a_limit(cast, monkeypatch):
    monkeypatch.setattr(recording, "TOGETHER", 1)
    line = bind(cast)
    ids = stored(line, [sent(cast, line) for _ in range(3)])
    groups = list(recording._groups(batches.named(ids)))
    assert groups == [[batch_id] for batch_id in sorted(ids)]
    assert receipts.record_line_events(ids, on_text=list) == 3
