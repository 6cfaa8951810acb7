"""Tables that grow with traffic are partitioned by month on PostgreSQL."""

from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import connection

from common import ids
from common.partitions import MONTHS_AHEAD, ensure_months, homeless, missing_months, months_from
from workers.tasks.housekeeping import PARTITIONED

pytestmark = pytest.mark.django_db


def partitions(table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [table])
        return {row[0] for row in cursor.fetchall()}


def test_months_roll_over_the_year():
    assert months_from(datetime(2026, 11, 30, tzinfo=UTC), 3) == [(2026, 11), (2026, 12), (2027, 1)]


@pytest.mark.parametrize("model", PARTITIONED)
def test_each_table_has_this_month_three_more_and_a_default(model):
    table = model._meta.db_table
    wanted = {f"{table}_{y}{m:02}" for y, m in months_from(datetime.now(UTC), MONTHS_AHEAD + 1)}
    assert wanted | {f"{table}_default"} <= partitions(table)


def test_every_partitioned_table_is_looked_after():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")
        partitioned = {row[0] for row in cursor.fetchall()}
    assert partitioned == {model._meta.db_table for model in PARTITIONED}
    assert partitioned <= {model._meta.db_table for model in apps.get_models()}


def test_missing_months_are_made_once():
    table = PARTITIONED[0]._meta.db_table
    later = datetime(2031, 12, 1, tzinfo=UTC)
    assert ensure_months(table, now=later, ahead=1) == [f"{table}_203112", f"{table}_203201"]
    assert ensure_months(table, now=later, ahead=1) == []


def test_a_look_up_by_id_touches_one_partition():
    table = PARTITIONED[0]._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT * FROM {table} WHERE id = ANY(%s::uuid[])", [[ids.new_id(), ids.new_id()]])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("Scan on") + plan.count("Scan using") <= 2, plan


def test_a_month_that_one_table_lacks_is_named():
    now = datetime.now(UTC)
    assert missing_months(now=now) == []
    year, month = months_from(now, 2)[1]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE messaging_part_{year}{month:02}")
    assert missing_months(now=now) == [f"messaging_part_{year}{month:02}"]


def test_a_row_of_today_is_homeless_only_without_its_month_and_without_default():
    table, now = PARTITIONED[0]._meta.db_table, datetime.now(UTC)
    assert homeless(now=now) == []
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_{now:%Y%m}")
        assert homeless(now=now) == []  # DEFAULT takes it
        cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_default")
    assert homeless(now=now) == [table]
