"""How `pytest -n` spreads the suite: whole files, the long ones first, and never two fleets at once."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The suite waits more than it computes (sockets, commits, processes that start): four workers keep two cores busy,
# and do one core no harm.
WORKERS = 4
# Each starts up to ten interpreters and holds them to limits of seconds: one worker takes them one after the other.
FLEETS = frozenset(
    {
        "tests/crash/test_campaign.py",
        "tests/flows/test_journeys.py",
        "tests/flows/test_kill_nine.py",
        "tests/house/test_fleet.py",
        "tests/house/test_fleet_lives.py",
        "tests/workers/smpp_server/test_process.py",
    }
)


class ByFile(LoadScopeScheduling):
    """A worker takes all tests of a file, in their order; the fleets are one file to it."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # `long_files_first` has decided

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "fleets" if path in FLEETS else path


def workers_for(config: pytest.Config) -> int:
    """What `-n auto` means: one chosen file, or one test of it, needs no workers."""
    (first, *others) = config.args
    return 0 if not others and ".py" in first else WORKERS


def long_files_first(items: list[pytest.Item]) -> None:
    """Order the items by file, so that no worker begins minutes of work when the others have ended.

    First the fleets, then the files with a test marked `slow`; otherwise everything stays as it was.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: 0 if item.nodeid.split("::", 1)[0] in FLEETS else 1 if item.path in slow else 2)
