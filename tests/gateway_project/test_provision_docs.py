"""The documentation of the file is complete, and its example is one that works."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from gateway_project.provisioning.schema import SECTIONS, Kind
from tests.gateway_project.provisioned import exported, run, written

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "provisioning.md").read_text()


def _kinds(kinds: dict[str, Kind]) -> list[Kind]:
    return [found for kind in kinds.values() for found in (kind, *_kinds(dict(kind.children)))]


@pytest.mark.parametrize("kind", _kinds(SECTIONS), ids=lambda kind: kind.label)
def test_every_key_is_documented_and_every_documented_key_exists(kind: Kind) -> None:
    word = kind.label.replace("_", " ").replace("api", "API").replace("smpp", "SMPP")
    rows = re.findall(rf"^\| {word}(?:, [^|]+)? \| (.+) \|$", DOCUMENT, re.MULTILINE)
    documented = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert documented == {*kind.keys, *kind.children}


@pytest.mark.django_db
def test_the_documented_example_works(tmp_path: Path) -> None:
    example = DOCUMENT.split("```yaml\n")[1].split("```")[0]
    run(written(tmp_path, example))
    assert run(written(tmp_path, example)) == ["= nothing to do"]
    assert run(written(tmp_path, exported())) == ["= nothing to do"]
