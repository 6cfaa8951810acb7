"""An index of a partitioned table is made month by month, while others write, and may be begun anew."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.online_indexes import AddIndexOnline
from messaging.models import Part

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "part_receipt_due"


@pytest.fixture
def make():
    """Makes the index anew; it is there afterwards, whatever the test did."""
    index = next(index for index in Part._meta.indexes if index.name == NAME)
    state = SimpleNamespace(apps=apps)

    def run():
        with connection.schema_editor(atomic=False) as editor:
            AddIndexOnline("part", index).database_forwards("messaging", editor, state, state)

    yield run
    run()
    assert whole()


def ask(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def whole():
    """Whether each month has a valid part of the index, and the whole is valid."""
    [[valid]] = ask("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", NAME)
    [[months]] = ask("SELECT count(*) FROM pg_inherits WHERE inhparent = 'messaging_part'::regclass")
    parts = ask(
        "SELECT indisvalid FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid WHERE inhparent = %s::regclass", NAME
    )
    return valid and len(parts) == months > 1 and all(part[0] for part in parts)


def test_no_month_is_locked_against_writers_and_the_whole_is_used(make):
    ask(f"DROP INDEX {NAME}")
    with CaptureQueriesContext(connection) as told:
        make()
    made = [query["sql"] for query in told.captured_queries if query["sql"].startswith("CREATE INDEX")]
    assert whole() and len(made) > 1
    assert all("CONCURRENTLY" in sql or "ON ONLY" in sql for sql in made)
    [[one]] = ask("SELECT pg_get_indexdef(inhrelid) FROM pg_inherits WHERE inhparent = %s::regclass LIMIT 1", NAME)
    assert "uncertain_until IS NOT NULL" in one


def test_a_second_run_does_nothing(make):
    with CaptureQueriesContext(connection) as told:
        make()
    assert not [query for query in told.captured_queries if query["sql"].startswith(("CREATE", "DROP", "ALTER"))]


def test_one_that_was_interrupted_is_finished(make):
    ask(f"DROP INDEX {NAME}")
    ask(f"CREATE INDEX {NAME} ON ONLY messaging_part (uncertain_until) "
        "WHERE status = 'SUBMITTED' AND uncertain_until IS NOT NULL")  # fmt: skip
    ask(f"CREATE INDEX {NAME}_default ON messaging_part_default (uncertain_until)")  # another one's remains
    make()
    assert whole()
