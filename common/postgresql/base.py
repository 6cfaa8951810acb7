"""A frozen server takes a statement and never answers: no timeout of the server's can end that wait, only we can.

TCP sees nothing wrong (the kernel of the other side acknowledges), so that `tcp_user_timeout` and keepalives do not
help. A process that feels the database's pulse (common.pulse) sets `Listening.silent`; others wait.
"""

from collections.abc import Callable, Generator
from typing import Any, ClassVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel

_NOTHING = 0  # psycopg.waiting.Ready.NONE: a tenth of a second has passed and the socket was still


class Listening(psycopg.Connection[Any]):
    """A connection whose waits end, with OperationalError and without a SQLSTATE, when the database is silent."""

    silent: ClassVar[Callable[[], bool]] = staticmethod(lambda: False)  # of the process

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


class DatabaseWrapper(base.DatabaseWrapper):
    """Named by ENGINE = "common.postgresql"."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Listening:
        """As Django's, of our class; neither a pool nor an isolation level may be set."""
        if {"pool", "isolation_level"} & set(self.settings_dict["OPTIONS"]):
            raise ImproperlyConfigured("common.postgresql knows neither pool nor isolation_level")
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return Listening.connect(**conn_params)
