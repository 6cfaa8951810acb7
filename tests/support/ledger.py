"""The ledger refuses changes; these helpers lift that where a test tampers with it or empties the tables."""

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


def let_flush_empty_the_ledger(monkeypatch: Any) -> None:
    """On SQLite the suite empties tables by DELETE, which the ledger refuses; not so by TRUNCATE."""
    from django.db.backends.sqlite3.base import DatabaseWrapper

    plain = DatabaseWrapper.ops_class.sql_flush

    def sql_flush(self: Any, style: Any, tables: Any, **options: Any) -> list[str]:
        statements = plain(self, style, tables, **options)
        return [*_DROP, *statements, *_sqlite_triggers()] if "billing_ledgerentry" in tables else statements

    monkeypatch.setattr(DatabaseWrapper.ops_class, "sql_flush", sql_flush)
