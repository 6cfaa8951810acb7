"""Two runs at the same moment end in one state, and so does a run beside traffic."""

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction

from accounts.models import Account, ApiClient, PermissionGroup
from billing.models import LedgerEntry, Wallet
from connectors.models import Connector
from gateway_project.provisioning.apply import provision
from tests.gateway_project.provisioned import EXAMPLE, run, written
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def _together(*deeds: Callable[[], list[str]]) -> list[list[str]]:
    """Run the deeds at the same moment; returns what each printed."""
    start = threading.Barrier(len(deeds))
    said: dict[int, list[str]] = {}

    def go(number: int, deed: Callable[[], list[str]]) -> None:
        start.wait()
        try:
            said[number] = deed()
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=item) for item in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [said[number] for number in range(len(deeds))]


def test_the_same_file_three_times_at_once_is_applied_once(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLE)
    said = _together(*[lambda: run(path)] * 3)
    assert sorted(lines == ["= nothing to do"] for lines in said) == [False, True, True]
    assert (Account.objects.count(), Connector.objects.count(), PermissionGroup.objects.count()) == (1, 1, 1)
    assert LedgerEntry.objects.count() == 1 and Wallet.objects.get().balance == Decimal(100_000)


def test_two_different_files_at_once_leave_one_of_them_whole(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(EXAMPLE)
    second.write_text(EXAMPLE.replace("Acme Ltd", "Other Ltd").replace("tps: 0, cost", "tps: 50, cost"))
    _together(lambda: run(first), lambda: run(second))
    state = Account.objects.get().company, Connector.objects.get().tps
    assert state in {("Acme Ltd", 0), ("Other Ltd", 50)}
    assert ApiClient.objects.count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_run_waits_for_one_that_is_under_way(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLE)
    run(path)
    answers: list[list[str]] = []

    def later() -> None:
        try:
            answers.append(provision(path).lines())
        finally:
            connection.close()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM common_configversion WHERE topic = 'provision' FOR UPDATE")
        thread = threading.Thread(target=later)
        thread.start()
        wait_until(_somebody_waits)
        assert answers == []
    thread.join(30)
    assert answers == [["= nothing to do"]]


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])
