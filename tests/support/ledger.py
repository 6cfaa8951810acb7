"""The ledger refuses changes; here that is lifted where a test tampers with it, and between tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.db import connection

_DROP = ["DROP TRIGGER IF EXISTS billing_ledger_no_update", "DROP TRIGGER IF EXISTS billing_ledger_no_delete"]


def _sqlite_triggers() -> list[str]:
    return list(import_module("billing.migrations.0002_append_only").SQLITE)


@contextmanager
def tampering() -> Iterator[Any]:
    """A cursor for which the ledger is an ordinary table."""
    on_postgresql = connection.vendor == "postgresql"
    # Deferred foreign keys of rows just written would refuse the ALTER.
    lift = ["SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE billing_ledgerentry DISABLE TRIGGER USER"]
    before = lift if on_postgresql else _DROP
    after = ["ALTER TABLE billing_ledgerentry ENABLE TRIGGER USER"] if on_postgresql else _sqlite_triggers()
    with connection.cursor() as cursor:
        for statement in before:
            cursor.execute(statement)
        yield cursor
        for statement in after:
            cursor.execute(statement)


def emptying() -> list[str]:
    """Statements that empty the ledger."""
    if connection.vendor == "postgresql":
        return ["TRUNCATE billing_ledgerentry"]
    return [*_DROP, "DELETE FROM billing_ledgerentry", *_sqlite_triggers()]
