"""The seal of a closed day no longer fits when an entry of it was changed, added or taken away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing.models import LedgerEntry, LedgerSeal
from billing.seals import GENESIS, ChainBroken, _chain, broken_seals, seal_closed_days, seal_what_is_due
from common.ids import IdFactory
from tests.support import cast
from tests.support.ledger import tampering

pytestmark = [pytest.mark.both, pytest.mark.django_db]
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(days=4)


def entry(account, when: datetime, number: int) -> LedgerEntry:
    """An entry as it was written at that time."""
    return LedgerEntry.objects.create(
        id=IdFactory(1).draw(int(when.timestamp() * 1000)),
        key=f"top:{account.pk}:{number}",
        account=account,
        debit="top_ups",
        credit="customer",
        amount=Decimal(1),
        before=Decimal(0),
        after=Decimal(1),
        reason="top_up",
        created_at=when,
    )


@pytest.fixture
def entries():
    account = cast.make_account(credits="0")
    times = (START, START + timedelta(hours=1), START + timedelta(days=2), START + timedelta(days=3))
    return [entry(account, when, number) for number, when in enumerate(times)]


def test_each_day_that_has_ended_is_sealed_once_and_empty_ones_too(entries):
    made = seal_closed_days(NOW)
    assert [(seal.day.day, seal.entries) for seal in made] == [(1, 2), (2, 0), (3, 1), (4, 1)]
    assert seal_closed_days(NOW) == []
    assert seal_closed_days(NOW.replace(hour=0, minute=59) + timedelta(days=1)) == []
    assert [seal.day.day for seal in seal_closed_days(NOW.replace(hour=1) + timedelta(days=1))] == [5]
    assert list(broken_seals()) == []


@pytest.mark.django_db(transaction=True)
def test_the_clock_and_the_nightly_audit_may_seal_at_once(entries):
    together = threading.Barrier(3)

    def seal(_):
        together.wait(10)
        try:
            return len(seal_closed_days(NOW))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(seal, range(3)))
    assert sum(made) == LedgerSeal.objects.count() == 4
    assert list(broken_seals()) == []


def test_the_clock_seals_what_is_due_but_nothing_over_a_day_that_was_changed(entries):
    assert [seal.day.day for seal in seal_what_is_due(NOW - timedelta(days=2))] == [1, 2]
    assert seal_what_is_due(NOW - timedelta(days=2)) == []
    LedgerSeal.objects.filter(day=date(2025, 3, 2)).update(head="0" * 64)
    with pytest.raises(ChainBroken):
        seal_what_is_due(NOW)
    assert LedgerSeal.objects.count() == 2


def test_an_empty_ledger_has_nothing_to_seal():
    assert seal_closed_days(NOW) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_ledgerentry SET amount = amount + 1 WHERE id = %s",
        "UPDATE billing_ledgerentry SET description = 'forged' WHERE id = %s",
        "UPDATE billing_ledgerentry SET actor = 'somebody' WHERE id = %s",
        "UPDATE billing_ledgerentry SET reference = 'x' WHERE id = %s",
        "UPDATE billing_ledgerentry SET created_at = '2024-01-01 00:00:00' WHERE id = %s",
        "DELETE FROM billing_ledgerentry WHERE id = %s",
    ],
)
def test_a_changed_or_missing_entry_breaks_the_seal_of_its_day_only(entries, statement):
    seal_closed_days(NOW)
    with tampering() as cursor:
        key = LedgerEntry._meta.pk.get_db_prep_value(entries[2].pk, cursor.db)
        cursor.execute(statement, [key])
    (broken,) = broken_seals()
    assert broken.day == date(2025, 3, 3)


@pytest.mark.parametrize("when", [START + timedelta(hours=3), START + timedelta(days=1), START - timedelta(days=9)])
def test_an_entry_slipped_into_a_closed_day_breaks_the_chain(entries, when):
    seal_closed_days(NOW)
    entry(entries[0].account, when, 99)
    assert len(list(broken_seals())) == 1


def test_a_missing_seal_is_found(entries):
    seal_closed_days(NOW)
    LedgerSeal.objects.filter(day=date(2025, 3, 2)).delete()
    assert "2025-03-02 is missing" in next(iter(broken_seals())).text


def test_a_seal_rewritten_to_fit_breaks_the_next_day(entries):
    seals = seal_closed_days(NOW)
    with tampering() as cursor:
        key = LedgerEntry._meta.pk.get_db_prep_value(entries[0].pk, cursor.db)
        cursor.execute("UPDATE billing_ledgerentry SET amount = 7 WHERE id = %s", [key])
    LedgerSeal.objects.filter(day=seals[0].day).delete()
    LedgerSeal.objects.create(day=seals[0].day, entries=2, head=_chain(seals[0].day, GENESIS)[1])
    assert [broken.day for broken in broken_seals()] == [seals[1].day]


def test_a_check_may_begin_at_a_later_day(entries):
    seal_closed_days(NOW)
    with tampering() as cursor:
        key = LedgerEntry._meta.pk.get_db_prep_value(entries[0].pk, cursor.db)
        cursor.execute("UPDATE billing_ledgerentry SET amount = 7 WHERE id = %s", [key])
    assert list(broken_seals(date(2025, 3, 2))) == []
    assert len(list(broken_seals(date(2025, 3, 1)))) == 1
