"""What a failed transaction means, by its SQLSTATE, and the one retry rule for deadlocks (architecture section 3)."""

import functools
import random
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError, connection

P = ParamSpec("P")
T = TypeVar("T")

DEADLOCK: Final = "40P01"
SERIALIZATION: Final = "40001"
LOCK_TIMEOUT: Final = "55P03"
_TOO_MUCH: Final = ("57014", "54")  # a statement beyond its timeout, and class 54: past a limit of the server
# Python's own refusals to write a value: a lone surrogate, a number out of range, a type without a form.
UNWRITABLE: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError)


def sqlstate(error: BaseException) -> str:
    """The five characters with which PostgreSQL names an error; empty when there are none."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def is_lock_timeout(error: BaseException) -> bool:
    """Whether a row stayed locked by somebody else for longer than lock_timeout."""
    return sqlstate(error) == LOCK_TIMEOUT


def is_connection_lost(error: BaseException) -> bool:
    """Whether PostgreSQL went away: class 08, shutdown (57P0x), ended by a timer (25P03), or no answer at all.

    SQLite has no connection to lose: what it reports is that it is busy.
    """
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError) or hasattr(error.__cause__, "sqlite_errorcode"):
        return False
    state = sqlstate(error)
    return not state or state.startswith(("08", "57P", "53")) or state == "25P03"


def is_passing(error: BaseException) -> bool:
    """Whether the database was away or busy, so that the same may work in a moment.

    Not a statement that ran into its timeout or past a limit: that may be its data, and then it fails every time.
    """
    return isinstance(error, OperationalError | InterfaceError) and not sqlstate(error).startswith(_TOO_MUCH)


def limit_statements(seconds: float) -> None:
    """End each statement of this transaction after `seconds` (PostgreSQL; SQLite has no such limit)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")


def reconnecting(read: Callable[[], T]) -> T:
    """The value of `read`; when the connection turns out to be dead, once more on a new one. For reads only."""
    try:
        return read()
    except Error as error:
        if not is_connection_lost(error):
            raise
        connection.close()
        return read()


def retried(times: int = 3) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Run the whole transaction again after a deadlock or a serialization failure, at most `times` times more.

    The function must open its own transaction. Raises what the last try raised.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except Error as error:
                    if sqlstate(error) not in (DEADLOCK, SERIALIZATION):
                        raise
                    # Both sides of a deadlock come back: a little chance keeps them apart.
                    time.sleep(random.uniform(0.001, 0.02) * (attempt + 1))  # noqa: S311 - not for secrets
            return function(*args, **kwargs)

        return wrapper

    return decorate
