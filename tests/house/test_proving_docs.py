"""docs/proving.md knows every point of CRASH_AT and every counter, and no others."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from messaging.counters import counters

ROOT = Path(settings.BASE_DIR)
DOCUMENT = (ROOT / "docs" / "proving.md").read_text()


def first_column(heading: str) -> set[str]:
    """The words in code type in the first column of the table under this head."""
    table = DOCUMENT.split(f"| {heading} |")[1].split("\n\n")[0]
    return set(re.findall(r"`([\w-]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if row[:1] == "|")))


def test_every_crash_point_is_told_and_stands_in_the_code():
    code = "".join(path.read_text() for room in ("messaging", "workers") for path in (ROOT / room).rglob("*.py"))
    points = set(re.findall(r'\bpoint\("([\w-]+)"\)', code))
    assert points and first_column("point") == points


@pytest.mark.django_db
def test_every_counter_is_told():
    assert first_column("counter") == set(counters())
