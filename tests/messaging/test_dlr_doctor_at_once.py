"""Two people decide on one rule at the same moment: one wins, the other is told, nothing is done by halves."""

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.audit import Actor
from connectors.models import Connector
from messaging.models import IdRuleProposal
from messaging.receipts import doctor
from tests.messaging.doctored import Carrier, carrier, proposed
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
ANN = Actor("ann")


def waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def commanded(deed: str, here: Carrier, while_: object) -> Exception | str:
    """What `dlr_doctor DEED` ended with, begun while the decision of `while_` was not committed yet."""
    ended: list[Exception | str] = []

    def work() -> None:
        out = StringIO()
        try:
            call_command("dlr_doctor", deed, here.account, stdout=out)
            ended.append(out.getvalue())
        except Exception as error:  # what a shell would show
            ended.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        while_(proposed(here), actor=ANN)  # type: ignore[operator]
        thread.start()
        wait_until(lambda: waits_for_us() or not thread.is_alive(), timeout=20)
    thread.join(20)
    [end] = ended
    return end


def test_who_accepts_while_another_rejects_is_told_and_the_rule_stays() -> None:
    here = carrier()
    here.report(here.take(20))
    proposed(here)
    refused = commanded("--accept", here, doctor.reject)
    assert isinstance(refused, CommandError) and refused.returncode == 2
    assert "rejected" in str(refused)
    assert set(Connector.objects.values_list("id_rule", flat=True)) == {"as_is"}
    assert IdRuleProposal.objects.get().state == "REJECTED" and here.states() == {"SUBMITTED"}


def test_who_rejects_while_another_accepts_is_told_and_the_rule_holds() -> None:
    here = carrier()
    here.report(here.take(20))
    proposed(here)
    refused = commanded("--reject", here, doctor.accept)
    assert isinstance(refused, CommandError) and refused.returncode == 2
    assert "accepted" in str(refused)
    assert set(Connector.objects.values_list("id_rule", flat=True)) == {"hex_to_dec"}


def test_accepting_twice_at_once_brings_everything_home_once() -> None:
    here = carrier()
    here.report(here.take(20))
    proposed(here)
    end = commanded("--accept", here, doctor.accept)
    assert isinstance(end, str) and "rehomed: 20" in end
    assert here.states() == {"DELIVERED"}
