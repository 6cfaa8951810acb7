"""Every rule of spec/smpp.md 5.1 to 5.7 is a named case: against the real server over TCP, by a client that is not
ours (plain sockets, smpplib), or where the part that keeps it is tested."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.conformance import answers, content, sessions
from tests.conformance.elsewhere import ELSEWHERE
from tests.conformance.house import CASES, House, open_house
from tests.support.emptying import empty_tables

ROOT = Path(__file__).resolve().parent.parent.parent
# A case that goes takes its number along: lower these only with the rule itself.
COUNTS = {"5.1": 69, "5.2": 33, "5.3": 38, "5.4": 24, "5.5": 23, "5.6": 21, "5.7": 43}


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: Any) -> Iterator[House]:
    """One server for all cases; what they wrote is gone after the module."""
    if not connection.settings_dict["NAME"].startswith("test_"):  # pytest-django makes one only where a test asks
        pytest.fail("no database was made: the cases run together with this file's last test", pytrace=False)
    with django_db_blocker.unblock():
        with open_house() as found:
            yield found
        empty_tables()


@pytest.mark.parametrize("name", CASES)
def test_the_server_keeps_the_rule(house: House, name: str) -> None:
    CASES[name](house)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_rule_has_its_case_elsewhere(name: str) -> None:
    file, _, test = ELSEWHERE[name].partition("::")
    assert test in _tests_of(file)


@pytest.mark.django_db  # for the whole file: the house is older than any test and cannot ask for a database itself
def test_no_rule_is_dropped_in_silence(record_property: Any) -> None:
    assert {answers.__name__, content.__name__, sessions.__name__}  # importing them made the cases
    found = Counter(name.split()[0] for name in [*CASES, *ELSEWHERE])
    record_property("rules", dict(found))
    assert found == COUNTS, dict(found)
    assert not CASES.keys() & ELSEWHERE.keys()


@cache
def _tests_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
