"""A month that fills is read by its key from the first seconds on, in sessions that planned when it was empty."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from common import ids, planner
from common.partitions import ensure_months
from common.sql import dialect
from messaging.models import Message
from workers.beat import TICKS

pytestmark = pytest.mark.django_db

TABLE = Message._meta.db_table
MONTH = datetime(2031, 5, 1, tzinfo=UTC)
NAME = f"{TABLE}_203105"
ROWS = 3_000


@pytest.fixture
def month() -> Iterator[None]:
    ensure_months(TABLE, now=MONTH, ahead=0)
    with connection.cursor() as cursor:
        yield
        cursor.execute("DEALLOCATE ALL")


def fill(rows: int) -> None:
    low = int(MONTH.timestamp() * 1000)
    key = f"(lpad(to_hex({low}::bigint + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (id, account_id, source, channel, sender, recipient, recipient_given, content, "
            "encoding, flash, udh, parts, lane, status, over_limit, client_ref, dlr, dlr_url, rate, cost, unit_price, "
            f"price, error_code, error, possible_duplicate, created_at) SELECT {key}, 1, 'api', 'sms', 'GATEWAY', "
            "(971500000000 + n)::text, '', repeat('x', 100), 'gsm7', false, '', 1, 'bulk', 'DELIVERED', false, '', "
            f"true, '', 0, 0, 0, 0, '', '', false, now() FROM generate_series(1, {rows}) n"
        )


def prepared() -> None:
    """The look-up by ids as a worker prepares it; its one plan is made by the first execution."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(
            f"PREPARE by_ids (uuid[], uuid, uuid) AS SELECT recipient, content FROM {TABLE} "
            "WHERE id = ANY($1) AND id >= $2 AND id <= $3"
        )


def plan() -> str:
    low = ids.floor_at(MONTH)
    some = [ids.floor_at(datetime(2031, 5, 1, 0, 0, second, tzinfo=UTC)) for second in range(20)]
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN EXECUTE by_ids (%s::uuid[], %s::uuid, %s::uuid)", [[str(key) for key in some], low, some[-1]]
        )
        return "\n".join(row[0] for row in cursor.fetchall())


def by_key(text: str) -> bool:
    return f"{NAME}_pkey" in text


def statistics() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpages, reltuples FROM pg_class WHERE relname = %s", [NAME])
        row = cursor.fetchone()
    assert row is not None
    return row


def test_sessions_that_planned_for_an_empty_month_read_by_its_key_when_it_has_grown(month: None) -> None:
    prepared()
    assert not by_key(plan())  # what this is about: PostgreSQL's choice for an empty table
    fill(ROWS)
    assert not by_key(plan())  # and it keeps to it
    assert NAME in planner.look_again()
    assert by_key(plan()) and f"Seq Scan on {NAME}" not in plan()


def test_a_table_is_analysed_when_it_is_four_times_as_large_and_not_before(month: None) -> None:
    fill(100)
    assert NAME not in planner.grown()
    fill_more = 2_000
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")
    fill(fill_more)
    assert planner.look_again().count(NAME) == 1
    pages, rows = statistics()
    assert rows == fill_more and pages >= planner.SMALLEST
    assert NAME not in planner.look_again()


def test_a_table_that_was_analysed_while_empty_is_looked_at_again(month: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'ANALYZE "{NAME}"')
    assert statistics() == (0, 0)
    fill(ROWS)
    assert NAME in planner.look_again()
    assert statistics()[1] == ROWS


def test_one_table_that_cannot_be_analysed_does_not_keep_the_others(
    month: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ROWS)
    grown = planner.grown
    monkeypatch.setattr(planner, "grown", lambda: ["a_table_that_is_gone", *grown()])
    with pytest.raises(ExceptionGroup, match="not analysed"):
        planner.look_again()
    assert statistics()[1] == ROWS


def test_every_few_seconds() -> None:
    (period,) = [period for job, period in TICKS.items() if job.name == "housekeeping.planner"]
    assert period <= 10


@pytest.mark.both
def test_elsewhere_than_on_postgresql_there_is_nothing_to_do() -> None:
    if dialect().skip_locked:
        assert isinstance(planner.look_again(), list)
    else:
        assert planner.look_again() == []
