"""Money under concurrency: a wallet is drained to the last message that fits, never further."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from billing.models import LedgerEntry, Reason
from messaging.commands import Accepted
from messaging.intake.batch import Batch
from messaging.models import Message
from tests.support import cast
from tests.support.intake import command, make_intake, request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.mark.parametrize("threads", [8])
def test_a_race_for_the_last_credits_accepts_exactly_what_they_cover(threads):
    who = cast.customer("100.3", billing_mode="rate", rate="0.7")
    intake, start = make_intake(), Barrier(threads)

    def send(_):
        start.wait()
        try:
            found = []
            for _ in range(8):
                [answer] = intake.submit_many([request(who, *[command(who) for _ in range(5)])])
                found += [type(outcome) for outcome in answer]
            return Counter(found)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(send, range(threads)), Counter())
    assert total[Accepted] == 143  # floor(100.3 / 0.7)
    assert sum(total.values()) == threads * 40
    assert Message.objects.count() == 143
    assert who.balance == Decimal("100.3") - 143 * Decimal("0.7")
    charged = LedgerEntry.objects.filter(account=who.account, reason=Reason.CHARGE).values_list("amount", flat=True)
    assert sum(charged) == 143 * Decimal("0.7")


def test_an_account_emptied_between_reading_and_charging_is_tried_again_alone(monkeypatch):
    who, other, intake = cast.customer("5"), cast.customer("5"), make_intake()
    plan, drained = Batch._plan, []

    def drain_after_reading(self, jobs):
        found = plan(self, jobs)
        if not drained:
            drained.append(True)
            with ThreadPoolExecutor(1) as thread:
                thread.submit(_spend, who, 3).result()
        return found

    if connection.vendor != "postgresql":
        pytest.skip("SQLite serialises writers: nobody can come between")
    monkeypatch.setattr(Batch, "_plan", drain_after_reading)
    requests = [request(who, *[command(who) for _ in range(4)]), request(other)]
    mine, others = intake.submit_many(requests)
    assert [isinstance(outcome, Accepted) for outcome in mine] == [True, True, False, False]
    assert isinstance(others[0], Accepted)
    assert (who.balance, other.balance) == (Decimal(0), Decimal(4))
    assert Message.objects.count() == 3 + 3


def _spend(who, count):
    try:
        make_intake().submit_many([request(who, *[command(who) for _ in range(count)])])
    finally:
        connection.close()
