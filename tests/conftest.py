"""What the whole suite shares: it refuses to run without its services, and chooses the tests of the store."""

import gc
import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer

from common import bus
from tests.services.answering import SERVICES, Unusable
from tests.support.emptying import empty_after_tests
from tests.support.leftovers import nothing_left_behind
from tests.support.outboxes import end_outboxes, outboxes_known
from tests.support.spreading import ByFile, long_files_first, workers_for

ON_SQLITE = os.environ.get("GATEWAY_TEST_STORE") == "sqlite"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse with one line when a service is out of reach: a skipped store would look like a passed one.

    settings/test.py has put the standard local ports into the environment where nothing was named.
    """
    if ON_SQLITE or config.option.collectonly or hasattr(config, "workerinput"):
        return
    for service in SERVICES:
        url = os.environ.get(service.variable, service.standard_urls[0])
        try:
            service.login(url)
        except Unusable as error:
            reason = f"{service.name} ({service.variable}) does not serve: {error}; `make test` starts one"
            raise pytest.UsageError(reason) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On SQLite only the tests marked `both` run: claims, crashes, money. Workers of `-n` begin with the long ones."""
    if hasattr(config, "workerinput"):
        long_files_first(items)
    if not ON_SQLITE:
        return
    config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("both")])
    items[:] = [item for item in items if item.get_closest_marker("both")]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """How many workers `-n auto` means; PYTEST_XDIST_AUTO_NUM_WORKERS decides otherwise."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else workers_for(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """File by file, whatever `--dist` says: tests of a file may share what a module fixture started."""
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """Outboxes end while the test still has its database, and once more after what its fixtures published at their end.

    After the last test the database is dropped: sessions of threads that have ended go first.
    """
    end_outboxes()
    if nextitem is None:
        gc.unfreeze()  # a front door in this process has frozen what there was
        gc.collect()
    try:
        return (yield)
    finally:
        end_outboxes()


@pytest.fixture(autouse=True, scope="session")
def _outboxes_are_known() -> Iterator[None]:
    """Those that tests make, besides the one of the process."""
    with outboxes_known():
        yield


@pytest.fixture(autouse=True, scope="session")
def _tables_are_emptied_quickly() -> Iterator[None]:
    """After tests that commit."""
    with pytest.MonkeyPatch.context() as patch:
        empty_after_tests(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_left_behind() -> Iterator[None]:
    """The services may be somebody's own: queues and keys of this run go with it."""
    with nothing_left_behind():
        yield
        bus.close()
