"""Hot statements are parsed and planned once a connection, and mean the same as they would otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from common.ids import new_id
from common.sql import dialect, hot

pytestmark = pytest.mark.django_db

ODD = ["", "plain", 'a "quoted" word', "back\\slash", "{a,b}", "NULL", " blanks ", "two\nlines", "é€😀", "'", "%s"]


def _ask(select: str, params: Any) -> list[Any]:
    with hot() as cursor:
        cursor.execute(select, params)
        return list(cursor.fetchall())


def _prepared(like: str) -> list[tuple[int, int]]:
    """How often statements with these words were run by one plan for all values, and by plans for some."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{like}%"]
        )
        return list(cursor.fetchall())


def test_a_statement_is_planned_once_whatever_the_size_of_its_numbers():
    for number in (1, 70_000, 5_000_000_000, -3):
        assert _ask("SELECT %s::bigint + 0 AS of_any_size", [number]) == [(number,)]
    assert _prepared("of_any_size") == [(4, 0)]


def test_an_ordinary_cursor_prepares_nothing():
    with connection.cursor() as cursor:
        for _ in range(10):
            cursor.execute("SELECT %s AS not_hot", [1])
    assert _prepared("AS not_hot") == []


def test_where_prepared_statements_are_turned_off_hot_ones_work_unprepared(monkeypatch):
    monkeypatch.setattr(connection.connection, "prepare_threshold", None)
    assert _ask("SELECT %s::bigint AS turned_off", [1]) == [(1,)]
    assert _prepared("turned_off") == []


@pytest.mark.both
def test_rows_come_back_as_they_were_given():
    moment = datetime(2026, 11, 22, 4, 0, 0, 123000, tzinfo=UTC)
    given = [(new_id(), word, moment + timedelta(seconds=i), i * 10**9) for i, word in enumerate(ODD)]
    given.append((new_id(), None, None, None))  # type: ignore[arg-type]
    sql = dialect()
    columns = (("v_id", "uuid"), ("v_word", "text"), ("v_at", "timestamptz"), ("v_number", "bigint"))
    source, params = sql.rows("v", columns, given)
    found = _ask(f"SELECT v_id, v_word, v_at, v_number FROM {source}", params)
    assert [(sql.uuid(a), b, sql.moment(c), d) for a, b, c, d in found] == given


@pytest.mark.both
def test_no_rows_are_no_rows():
    source, params = dialect().rows("v", (("v_id", "uuid"),), [])
    assert _ask(f"SELECT v_id FROM {source}", params) == []


def test_many_rows_are_not_compared_each_with_each():
    """Without statistics, too: the one plan is made when nobody knows how many there will be."""
    ids = [new_id() for _ in range(3)]
    sql = dialect()
    source, params = sql.rows("v", (("v_id", "uuid"), ("v_word", "varchar")), [(key, "x") for key in ids])
    among, values = sql.keyed("id", ids)
    update = f"UPDATE messaging_part SET provider_id = v_word FROM {source} WHERE id = v_id AND {among}"
    with connection.cursor() as cursor:
        marks = update
        for number in range(len([*params, *values])):
            marks = marks.replace("%s", f"${number + 1}", 1)
        cursor.execute("PREPARE by_hash (uuid[], varchar[], bigint, uuid[], uuid, uuid) AS " + marks.replace("%", "%%"))
        cursor.execute("EXPLAIN EXECUTE by_hash (%s, %s, %s, %s, %s, %s)", [*params, *values])
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("DEALLOCATE by_hash")
    assert "Hash Join" in plan and "Nested Loop" not in plan, plan
    assert "Subplans Removed" in plan, plan
