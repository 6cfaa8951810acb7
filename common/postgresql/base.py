"""A frozen server takes a statement and never answers: no timeout of the server's can end that wait, only we can.

TCP sees nothing wrong (the kernel of the other side acknowledges), so that `tcp_user_timeout` and keepalives do not
help. A process that feels the database's pulse (common.pulse) sets `Listening.silent`; others wait.

Hot statements are prepared: parsed and planned once a connection, by `hot_cursor` (see common.sql.hot).
"""

from collections.abc import Callable, Generator
from typing import Any, ClassVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format
from psycopg.types.numeric import Int8Dumper

_NOTHING = 0  # psycopg.waiting.Ready.NONE: a tenth of a second has passed and the socket was still


class Listening(psycopg.Connection[Any]):
    """A connection whose waits end, with OperationalError and without a SQLSTATE, when the database is silent."""

    silent: ClassVar[Callable[[], bool]] = staticmethod(lambda: False)  # of the process
    hot_adapters: AdaptersMap

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """See psycopg.Connection.wait; the connection is closed when we give up."""
        try:
            return super().wait(self._listen(gen), *args, **kwargs)
        except _Silence:
            self.pgconn.finish()
            raise psycopg.OperationalError("the database does not answer") from None

    def _listen(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            state = next(gen)
            while True:
                ready = yield state
                if ready == _NOTHING and Listening.silent():
                    raise _Silence
                state = gen.send(ready)
        except StopIteration as ended:
            return ended.value


class _Silence(Exception):
    """Nobody answers."""


class Prepared(psycopg.Cursor[Any]):
    """Binds on the server and prepares whatever it executes; psycopg keeps 100 statements a connection."""

    @property
    def adapters(self) -> AdaptersMap:
        """The connection's for all of its prepared statements."""
        connection = self.connection
        assert isinstance(connection, Listening)
        return connection.hot_adapters

    def execute(self, query: Any, params: Any = None, **how: Any) -> "Prepared":
        """See psycopg.Cursor.execute."""
        return super().execute(query, params, prepare=True, **how)


def _hot_adapters(connection: psycopg.Connection[Any]) -> AdaptersMap:
    adapters = AdaptersMap(connection.adapters)
    # A number's type must not depend on its size: each set of types is a statement of its own.
    adapters.register_dumper(int, Int8Dumper)
    # The driver's own, which is compiled, gives the connection's time zone, which Django has set. Django's takes
    # two steps in Python for each moment.
    moments = psycopg.adapters.get_loader(psycopg.adapters.types["timestamptz"].oid, Format.TEXT)
    assert moments is not None
    adapters.register_loader("timestamptz", moments)
    return adapters


# One plan for all values, made once. Left to itself the server plans anew wherever the values would let it leave out
# partitions while planning; hot statements bring the range of their ids, which leaves them out when execution starts.
# Compiling them (JIT) would cost more than any of them runs.
_ONE_PLAN = "-c plan_cache_mode=force_generic_plan -c jit=off"


class Operations(DatabaseOperations):
    """Django's, which know what a prepared statement said."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        """The statement with its values, for those who log or capture queries."""
        if isinstance(cursor, Prepared):
            return str(self.compose_sql(sql, params))
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """Named by ENGINE = "common.postgresql"; OPTIONS["prepare_threshold"] = None turns prepared statements off."""

    ops_class = Operations

    def get_new_connection(self, conn_params: dict[str, Any]) -> Listening:
        """As Django's, of our class; neither a pool nor an isolation level may be set."""
        if {"pool", "isolation_level"} & set(self.settings_dict["OPTIONS"]):
            raise ImproperlyConfigured("common.postgresql knows neither pool nor isolation_level")
        self.isolation_level = IsolationLevel.READ_COMMITTED
        if conn_params.get("prepare_threshold") is not None:
            conn_params = {**conn_params, "options": f"{conn_params.get('options', '')} {_ONE_PLAN}"}
        connection = Listening.connect(**conn_params)
        connection.hot_adapters = _hot_adapters(connection)
        return connection

    def hot_cursor(self) -> Any:
        """A cursor, in Django's wrappers, whose statements are prepared; an ordinary one where that is turned off."""
        self.ensure_connection()
        if self.connection.prepare_threshold is None:
            return self.cursor()
        with self.wrap_database_errors:
            return self._prepare_cursor(Prepared(self.connection))  # type: ignore[attr-defined]  # not in the stubs
