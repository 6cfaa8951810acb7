"""Who holds a lease, written so that a successor on the same machine can tell whether that process still lives.

Without it a bind whose process was killed stays down until the lease ends, also when the next process starts at once.
"""

import os
import re
from functools import cache
from hashlib import sha256
from pathlib import Path

_PROC = Path("/proc")
_MARK = re.compile(r"\|(\d+)\.(\d+)\.(\w+)$")
NAME = 40  # characters of the owner's own name; a lease keeps 80


def marked(name: str) -> str:
    """The end of `name` with the pid of this process, when it began, and on which machine; the name alone elsewhere."""
    began, here = _began(os.getpid()), _machine()
    return f"{name[-NAME:]}|{os.getpid()}.{began}.{here}" if began and here else name


def surely_dead(owner: str) -> bool:
    """Whether `owner` was a process of this machine that has ended. False for whatever cannot be known from here."""
    found = _MARK.search(owner)
    if found is None or not _machine() or found[3] != _machine():
        return False
    return _began(int(found[1])) != int(found[2])


@cache
def _machine() -> str:
    """This kernel since its boot and this space of pids: containers of one host do not see each other's."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()
        return sha256(f"{boot}{os.readlink(_PROC / 'self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:
        return ""


def _began(pid: int) -> int:
    """Clock ticks from the boot to the start of a process, 0 when it has ended (proc(5): fields 3 and 22 of stat)."""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in "ZX" else int(rest[18])
