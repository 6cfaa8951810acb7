"""Programs that are not ours and that tests talk to: installed before the suite where that is possible.

Without one, the tests that need it fail with one line; the others run.
"""

from dataclasses import dataclass

from tests.services.answering import Unusable
from tests.services.private import find_binary


@dataclass(frozen=True, slots=True)
class Package:
    """A package of Debian and Ubuntu, and the programs of it that are started."""

    name: str
    programs: tuple[str, ...]


KANNEL = Package("kannel", ("bearerbox", "smsbox"))
PACKAGES = (KANNEL,)


def program(name: str) -> str | None:
    """Its path, or None."""
    return find_binary(name, [])


def missing(package: Package) -> str:
    """What to do about it in one line; empty: it is there."""
    if all(program(name) for name in package.programs):
        return ""
    return f"missing: {package.programs[0]}; install it with: sudo apt-get install -y {package.name}"


def install_missing() -> None:
    """Bring what is missing; what cannot be brought is told in one line."""
    from tests.services.choosing import install

    for package in PACKAGES:
        if line := missing(package):
            try:
                install(package.name, line)
            except Unusable as error:
                print(f"services: {error}", flush=True)
