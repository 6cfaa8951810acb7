"""Indexes that are made while the gateway works: traffic goes on, because no statement locks its writers out.

Django's AddIndex locks a table against writes for as long as the index takes; on a partitioned one, all its months.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.migrations.operations import AddIndex


class AddIndexOnline(AddIndex):
    """AddIndex of a partitioned table on PostgreSQL, month by month and CONCURRENTLY; plain AddIndex elsewhere.

    The migration must say `atomic = False`. It may be run again after it was interrupted, and does nothing where the
    index is there.
    """

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make it on the parent alone, then on each partition, and join them: with the last one it is whole."""
        model = to_state.apps.get_model(app_label, self.model_name)
        table, name = model._meta.db_table, self.index.name
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        create = str(self.index.create_sql(model, schema_editor))
        with schema_editor.connection.cursor() as cursor:
            if _is_whole(cursor, name):
                return
            # A month that is made from now on has the index by itself.
            cursor.execute(_on(create, name, f'IF NOT EXISTS "{name}"', table, f'ONLY "{table}"'))
            for month, own in _months(cursor, table, name):
                with _patience(cursor):
                    cursor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{own}"')  # of a try that was interrupted
                    cursor.execute(_on(create, name, f'CONCURRENTLY "{own}"', table, f'"{month}"'))
                cursor.execute(f'ALTER INDEX "{name}" ATTACH PARTITION "{own}"')


@contextmanager
def _patience(cursor: Any) -> Iterator[None]:
    """What holds nobody up may take its time; the short statements keep the limits of the settings."""
    cursor.execute("SET statement_timeout = 0")
    cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        cursor.execute("RESET statement_timeout")
        cursor.execute("RESET lock_timeout")


def _on(create: str, name: str, called: str, table: str, where: str) -> str:
    begins, on = f'CREATE INDEX "{name}" ', f'ON "{table}" '
    if not create.startswith(begins + on):
        raise ValueError(f"not the statement of a plain index: {create}")
    return f"CREATE INDEX {called} ON {where} {create.removeprefix(begins + on)}"


def _is_whole(cursor: Any, name: str) -> bool:
    cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [f'"{name}"'])
    found = cursor.fetchone()
    return bool(found and found[0])


def _months(cursor: Any, table: str, name: str) -> Iterator[tuple[str, str]]:
    """Partitions without their part of the index, and what that is to be called."""
    cursor.execute(
        "SELECT month.relname FROM pg_inherits JOIN pg_class month ON month.oid = inhrelid "
        "WHERE inhparent = to_regclass(%s) AND NOT EXISTS (SELECT 1 FROM pg_index own JOIN pg_inherits joined "
        "ON joined.inhrelid = own.indexrelid WHERE own.indrelid = month.oid AND joined.inhparent = to_regclass(%s)) "
        "ORDER BY month.relname",
        [f'"{table}"', f'"{name}"'],
    )
    for (month,) in cursor.fetchall():
        yield month, f"{name}_{month.rpartition('_')[2]}"
