"""What a check says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class Level(StrEnum):
    """FAIL: something does not work now, or will not for long. WARN: somebody should know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the screen: what is so, and what to do about it (a command, mostly)."""

    level: Level
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A part of the gateway that is looked at; `needs_database`: pointless while the database is away."""

    name: str
    look: Callable[[], Iterable[Finding]]
    needs_database: bool = False


def ok(what: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, what)


def warn(what: str, do: str) -> Finding:
    """Worth a look."""
    return Finding(Level.WARN, what, do)


def fail(what: str, do: str) -> Finding:
    """Broken."""
    return Finding(Level.FAIL, what, do)


def address(url: str) -> str:
    """Host and port of a URL: the part of it that holds no secret."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or url.partition(':')[0]}{port}"


def ago(seconds: float) -> str:
    """A length of time as people say it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
