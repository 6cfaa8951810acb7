"""The write budget, and the plans of the hot statements: one or two partitions, by index (architecture 3 and 6)."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.ids import derive
from messaging import webhooks
from messaging.models import Delivery, LineBatch
from tests.messaging.underway import accepted, bind, receipt_for, shown
from tests.support.cast import customer
from tests.support.webhooks import posted

TABLES = ("message", "part", "attempt", "messageevent", "receipt", "receiptseen", "delivery", "outboxbatch")


def written_rows() -> int:
    """Rows inserted and updated in this transaction, over all partitions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_xact_all_tables WHERE relname ~ %s",
            [f"^messaging_({'|'.join(TABLES)})(_[0-9a-z]+)?$"],
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_from_claim_to_the_callbacks_result_a_message_costs_seven_row_writes():
    """Nine in all: message and part come before. The callback is born claimed, so its claim writes nothing."""
    cast = customer()
    line = bind(cast)
    messages = [accepted(cast) for _ in range(20)]
    before = written_rows()
    line.claim()
    line.record(*(line.result(derive(m.id, 1), provider_id=f"{m.id.hex[:24]}-1") for m in messages))
    line.hear(*(receipt_for(message) for message in messages))
    assert {shown(message).status for message in messages} == {"DELIVERED"}
    assert (written_rows() - before) / len(messages) == 6
    callbacks = list(Delivery.objects.values_list("id", "token"))
    webhooks.record([posted(item) for item in webhooks.born(callbacks)])
    assert (written_rows() - before) / len(messages) == 7
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}
    assert not LineBatch.objects.exists()


@pytest.mark.django_db
def test_every_batch_statement_prunes_partitions():
    cast = customer()
    line = bind(cast)
    messages = [accepted(cast) for _ in range(5)]
    with CaptureQueriesContext(connection) as captured:
        line.claim([derive(message.id, 1) for message in messages])
        line.record(*(line.result(derive(m.id, 1), provider_id=f"{m.id.hex[:24]}-1") for m in messages))
        line.hear(*(receipt_for(message) for message in messages))
    hot = [
        q["sql"] for q in captured if re.match(r"\s*(UPDATE|WITH|SELECT)", q["sql"]) and "messaging_part" in q["sql"]
    ]
    assert len(hot) >= 5
    for sql in hot:
        # The look by provider id has no upper end (see matching): what it reads beyond are months still to come.
        if "JOIN LATERAL" not in sql:
            assert len(partitions_of("messaging_part", sql)) <= 2, sql
    updates = [q["sql"] for q in captured if q["sql"].lstrip().startswith("UPDATE messaging_message")]
    assert updates
    for sql in updates:
        assert len(partitions_of("messaging_message", sql)) <= 2, sql


def partitions_of(table: str, sql: str) -> set[str]:
    """Partitions that the plan would read."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}".replace("%", "%%"), [])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    return set(re.findall(rf"(?:Scan|using \S+) on ({table}_\w+)", plan))
