"""Trouble stays where it belongs: poison, locks, lost connections, a database that is away."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest
from django.db import connection, connections, transaction

from billing.models import LedgerEntry, Reason, Wallet
from common.errors import Code, Unavailable
from messaging import fields
from messaging.commands import Accepted
from messaging.intake import recovery, rows, wallet_locks
from messaging.intake.batch import Batch
from messaging.models import Message, OutboxBatch, Part
from tests.support import cast
from tests.support.intake import accepted, command, make_intake, request

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL sessions and row locks")


def poison(monkeypatch):
    """Let texts through that the database refuses: what validation forgets must still harm nobody else."""
    monkeypatch.setattr(fields, "is_clean", lambda text: True)


def test_one_poisoned_request_among_300_is_refused_alone(monkeypatch, postgresql):
    poison(monkeypatch)
    who, other = cast.customer("1000"), cast.customer("1000")
    requests = [request(who if i % 2 else other, content="bad \x00" if i == 137 else "fine") for i in range(300)]
    answers = make_intake().submit_many(requests)
    refused = [i for i, answer in enumerate(answers) if not isinstance(answer[0], Accepted)]
    assert refused == [137]
    assert answers[137][0].code == Code.INVALID_VALUE
    assert Message.objects.count() == Part.objects.count() == 299
    assert who.balance + other.balance == 2000 - 299
    assert sum(len(ids.split(",")) for ids in OutboxBatch.objects.values_list("parts", flat=True)) == 299


def test_poison_within_a_request_of_many_refuses_that_command_alone(monkeypatch, postgresql):
    poison(monkeypatch)
    who = cast.customer("1000")
    commands = [command(who, content="bad \x00" if i in (3, 40) else "fine") for i in range(50)]
    [answer] = make_intake().submit_many([request(who, *commands, key="k")])
    assert [i for i, outcome in enumerate(answer) if not isinstance(outcome, Accepted)] == [3, 40]
    assert Message.objects.count() == 48
    assert who.balance == Decimal(952)


def hold(account_id, held, release):
    try:
        with transaction.atomic():
            Wallet.objects.select_for_update().get(account_id=account_id)
            held.set()
            release.wait(20)
    finally:
        connection.close()


def test_a_locked_wallet_delays_its_own_account_only(postgresql):
    stuck, healthy = cast.customer("100"), [cast.customer("100") for _ in range(10)]
    intake, held, release = make_intake(), threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(stuck.account.pk, held, release))
    holder.start()
    try:
        assert held.wait(10)
        started = time.monotonic()
        answers = intake.submit_many([request(who) for who in (stuck, *healthy)])
        took = time.monotonic() - started
        assert isinstance(answers[0], Unavailable)
        assert all(isinstance(answer[0], Accepted) for answer in answers[1:])
        assert took < 3.0  # lock_timeout of 2 s, and the second look
        started = time.monotonic()
        again = intake.submit_many([request(who) for who in (stuck, *healthy)])
        assert isinstance(again[0], Unavailable)
        assert all(isinstance(answer[0], Accepted) for answer in again[1:])
        assert time.monotonic() - started < 1.0  # it is known, and waits alone for a moment only
    finally:
        release.set()
        holder.join()
    assert stuck.balance == Decimal(100)
    assert Message.objects.count() == 20
    accepted(intake.submit_many([request(stuck)])[0])


def terminate(pid):
    url = {key: value for key, value in connection.get_connection_params().items() if key in ("host", "port", "user")}
    with psycopg.connect(**url, dbname=connection.settings_dict["NAME"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_a_session_that_dies_before_commit_is_replaced_and_the_message_exists_once(monkeypatch, postgresql):
    who, intake, insert = cast.customer("100"), make_intake(), Batch._insert
    killed = []

    def kill_once(self, *arguments):
        insert(self, *arguments)
        if not killed:
            killed.append(recovery.backend())
            terminate(killed[0])

    monkeypatch.setattr(Batch, "_insert", kill_once)
    done = accepted(intake.submit_many([request(who)])[0])
    assert killed
    assert Message.objects.get().id == done.message_id
    assert who.balance == Decimal(99)


def cut_at_commit(monkeypatch, *, before):
    """The connection breaks around COMMIT, once: the statement before it arrives, or the answer after it."""
    session = type(connections["default"])
    wrapper, cut = session._commit, []

    def commit(self):
        if cut:
            return wrapper(self)
        cut.append(True)
        if before:
            terminate(recovery.backend())
            return wrapper(self)
        wrapper(self)
        terminate(recovery.backend())
        with self.wrap_database_errors:
            self.connection.execute("SELECT 1")  # raises as libpq does when the answer is lost
        raise AssertionError("the session lives")

    monkeypatch.setattr(session, "_commit", commit)
    return cut


def test_a_commit_that_happened_although_its_answer_was_lost_is_told_as_accepted(monkeypatch, postgresql):
    who, intake = cast.customer("100"), make_intake()
    cut = cut_at_commit(monkeypatch, before=False)
    done = accepted(intake.submit_many([request(who, key="k")])[0])
    assert cut
    assert Message.objects.get().id == done.message_id
    assert who.balance == Decimal(99)


def test_a_commit_that_did_not_happen_is_told_as_unavailable(monkeypatch, postgresql):
    who, intake = cast.customer("100"), make_intake()
    cut = cut_at_commit(monkeypatch, before=True)
    [answer] = intake.submit_many([request(who, key="k")])
    assert cut
    assert isinstance(answer, Unavailable)
    assert not Message.objects.exists()
    assert not LedgerEntry.objects.filter(reason=Reason.CHARGE).exists()
    assert who.balance == Decimal(100)
    accepted(intake.submit_many([request(who, key="k")])[0])
    assert who.balance == Decimal(99)


def test_what_was_accepted_stays_accepted_when_the_session_dies_in_search_of_the_culprit(monkeypatch, postgresql):
    poison(monkeypatch)
    who, intake, look = cast.customer("100"), make_intake(), rows.can_be_written

    def dies(*arguments):
        terminate(recovery.backend())
        return look(*arguments)

    monkeypatch.setattr(rows, "can_be_written", dies)
    first, second = intake.submit_many([request(who), request(who, content="bad \x00")])
    assert isinstance(second, Unavailable)
    assert Message.objects.get().id == accepted(first).message_id
    assert who.balance == Decimal(99)


def test_a_session_that_dies_while_the_locked_wallet_is_looked_for_is_told_as_unavailable(monkeypatch, postgresql):
    who, intake, look = cast.customer("100"), make_intake(), wallet_locks.stuck
    held, release = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(who.account.pk, held, release))
    holder.start()

    def dies(accounts):
        terminate(recovery.backend())
        return look(accounts)

    monkeypatch.setattr(wallet_locks, "stuck", dies)
    try:
        assert held.wait(10)
        [answer] = intake.submit_many([request(who)])
        assert isinstance(answer, Unavailable)
    finally:
        release.set()
        holder.join()
    monkeypatch.undo()
    accepted(intake.submit_many([request(who)])[0])
    assert who.balance == Decimal(99)


def test_an_idle_session_that_was_ended_costs_nobody_anything(postgresql):
    who, intake = cast.customer("100"), make_intake()
    accepted(intake.submit_many([request(who)])[0])
    for keyed in ("", "k"):
        terminate(recovery.backend())
        accepted(intake.submit_many([request(who, key=keyed)])[0])
    assert who.balance == Decimal(97)


def test_a_database_that_is_away_is_told_at_once(postgresql):
    who, intake = cast.customer("100"), make_intake()
    requests = [request(who), request(who, key="k")]

    def send():
        connections["default"].settings_dict = {**connection.settings_dict, "PORT": "1"}
        started = time.monotonic()
        try:
            return intake.submit_many(requests), intake.submit_many(requests[:1]), time.monotonic() - started
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        first, second, took = thread.submit(send).result(30)
    assert all(isinstance(answer, Unavailable) for answer in [*first, *second])
    assert took < 2.0
    assert not Message.objects.exists()
    assert who.balance == Decimal(100)


def test_a_statement_that_fails_for_other_reasons_is_unavailable_and_writes_nothing(monkeypatch, postgresql):
    who, intake, insert = cast.customer("100"), make_intake(), Batch._insert

    def too_long(self, cursor, *arguments):
        insert(self, cursor, *arguments)
        cursor.execute("SET LOCAL statement_timeout = 20", [])
        cursor.execute("SELECT pg_sleep(1)", [])

    monkeypatch.setattr(Batch, "_insert", too_long)
    [answer] = intake.submit_many([request(who)])
    assert isinstance(answer, Unavailable)
    assert not Message.objects.exists()
    assert who.balance == Decimal(100)
