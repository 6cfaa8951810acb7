"""`.env`, which `make up` and its kin read and manage.py does not."""

import os
from pathlib import Path

from honcho import environ

FILE = Path(__file__).resolve().parent.parent / ".env"


def read(file: Path = FILE) -> dict[str, str]:
    """The variables that it names; none when there is no such file."""
    return dict(environ.parse(file.read_text())) if file.exists() else {}


def is_passed_over(file: Path = FILE) -> bool:
    """Whether it names a database and we were started without one, so that we look at the embedded one instead."""
    return not os.environ.get("DATABASE_URL") and bool(read(file).get("DATABASE_URL"))
