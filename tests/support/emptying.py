"""Emptying the tables after a test that commits.

Django's flush truncates every table and makes content types and permissions anew: 0.3 s on a quiet machine, more than
2 s on a busy one, for tests that wrote to a handful of tables.
"""

from functools import cache
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase

from tests.support import ledger

LEDGER = "billing_ledgerentry"
MADE_BY_MIGRATE = {"django_migrations", "django_content_type", "auth_permission"}


def empty_tables() -> None:
    """Delete all rows but those that `migrate` makes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_which_have_rows())
        filled = {name for (name,) in cursor.fetchall()}
        # Foreign keys are checked at the commit, so the order does not matter.
        for statement in ledger.emptying() if LEDGER in filled else []:
            cursor.execute(statement)
        for name in filled - {LEDGER}:
            cursor.execute(f"DELETE FROM {name}")


@cache
def _which_have_rows() -> str:
    tables = set(connection.introspection.django_table_names(only_existing=True)) - MADE_BY_MIGRATE
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in sorted(tables))


def empty_after_tests(patch: pytest.MonkeyPatch) -> None:
    """Let tests that commit end with `empty_tables` in place of a flush."""

    def teardown(_: Any) -> None:
        empty_tables()

    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
