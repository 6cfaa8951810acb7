"""Runs the checks at once, each in a thread of its own with two seconds: what hangs or breaks is a finding."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, connections

from gateway_project.doctor.findings import Check, Finding, Level, fail, warn

PATIENCE = 2.0  # seconds a check
# A socket with a timeout of 2 s must be heard out: the thread ends a little later than the wait for it.
_GRACE = 0.5


@dataclass(frozen=True, slots=True)
class Told:
    """A finding and the check that made it."""

    check: str
    finding: Finding


@dataclass(slots=True)
class _Looking:
    check: Check
    found: list[Finding] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            if self.check.needs_database:
                _bound_statements()
            for finding in self.check.look():
                self.found.append(finding)
        except DatabaseError as error:
            self.found.append(_unreadable(error))
        except Exception as error:  # whatever it is: the other checks still have something to say
            self.found.append(fail(f"could not be checked: {_line(error)}", "see docs/operations.md, or report this"))
        finally:
            connections.close_all()
            self.done.set()


def run(checks: Sequence[Check], *, patience: float = PATIENCE) -> list[Told]:
    """Every finding, in the order of the checks; those that need the database only when it answers."""
    first = _all([check for check in checks if not check.needs_database], patience)
    down = any(finding.level is Level.FAIL for name, found in first.items() if name == "database" for finding in found)
    waiting = [check for check in checks if check.needs_database]
    second = {} if down else _all(waiting, patience)
    not_looked = [warn("not looked at while the database does not answer", "mend the database, then ask again")]
    told = []
    for check in checks:
        for finding in first.get(check.name) or second.get(check.name, not_looked):
            told.append(Told(check.name, finding))
    return told


def _all(checks: Iterable[Check], patience: float) -> dict[str, list[Finding]]:
    looking = [_Looking(check) for check in checks]
    for look in looking:
        threading.Thread(target=look.run, name=f"doctor {look.check.name}", daemon=True).start()
    until = time.monotonic() + patience + _GRACE
    found = {}
    for look in looking:
        answered = look.done.wait(max(0.0, until - time.monotonic()))
        late = [] if answered else [fail(f"no answer within {patience:g} s", "look at the load and the network")]
        found[look.check.name] = [*look.found, *late]
    return found


def _bound_statements() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{int(PATIENCE * 1000)}ms'")


def _unreadable(error: DatabaseError) -> Finding:
    if getattr(error.__cause__, "sqlstate", "") == "57014":
        return warn(f"too much to look at within {PATIENCE:g} s", "look at the load of the database")
    if getattr(error.__cause__, "sqlstate", "") in ("42P01", "42703") or "no such" in str(error):
        return fail(f"the tables are not those of this version: {_line(error)}", "python manage.py migrate")
    return fail(f"could not be read: {_line(error)}", "look at the log of the database")


def _line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
