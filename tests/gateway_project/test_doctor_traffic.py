"""`doctor` on lines, work, money and disk: each check with the thing really broken."""

import time
from datetime import timedelta

import pytest
from django.db.models import F

from billing.models import LedgerSeal, Wallet
from common.ids import IdFactory, derive
from connectors.models import BindState
from gateway_project.doctor import disk, lines, money, work
from gateway_project.doctor.findings import Level
from messaging.models import Delivery, IdempotencyKey, LineBatch, OutboxBatch, Part, Status
from tests.admin.rows import MAKE
from tests.gateway_project.doctor_findings import bound, failed, levels, warned
from tests.messaging.underway import accepted, now
from tests.support.cast import customer, make_connector


@pytest.mark.django_db
def test_binds_that_are_up_are_one_line_a_connector():
    line = make_connector("smpp1", binds=2)
    bound(line)
    bound(line, number=2)
    (found,) = lines.look()
    assert (found.level, found.what) == (Level.OK, "smpp1: 2 bound")


@pytest.mark.django_db
def test_a_bind_that_is_refused_says_why_and_when_it_tries_again():
    bound(
        make_connector("smpp1"), state="refused", last_error="ESME_RINVPASWD", next_try_at=now() + timedelta(seconds=40)
    )
    assert "smpp1 bind 1: refused, ESME_RINVPASWD; next try in 40 s" in failed(lines.look())


@pytest.mark.django_db
def test_a_bind_that_nobody_holds_is_a_failure():
    make_connector("smpp1")
    bound(make_connector("smpp2"), until=now() - timedelta(seconds=5))
    assert failed(lines.look()).count("no process holds it → start the process binds") == 2


@pytest.mark.django_db
def test_a_bind_whose_process_is_silent_is_a_failure():
    bound(make_connector("smpp1"))
    BindState.objects.update(updated_at=now() - timedelta(minutes=2))
    assert "here holds it and says nothing" in failed(lines.look())


@pytest.mark.django_db
def test_no_line_to_send_over_is_a_warning():
    assert "no active connector" in warned(lines.look())
    make_connector(desired="stopped")
    assert "every connector is stopped" in warned(lines.look())


@pytest.mark.django_db
def test_what_is_done_in_time_is_fine():
    who = customer()
    accepted(who)
    accepted(who, status=Status.SCHEDULED, send_at=now() + timedelta(hours=1))
    OutboxBatch.objects.create(connector=who.connector, lane="bulk", parts="", created_at=now())
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now(), pdus="")
    assert levels(work.look()) == {Level.OK}


def stale_hint(who):
    OutboxBatch.objects.create(connector=who.connector, lane="bulk", parts="", created_at=now() - timedelta(seconds=30))


def stale_schedule(who):
    accepted(who, status=Status.SCHEDULED, send_at=now() - timedelta(seconds=30))


def stale_doubt(who):
    accepted(who, status=Status.UNCERTAIN)
    Part.objects.update(uncertain_until=now() - timedelta(seconds=30))


def stale_validity(who):
    accepted(who, expires_at=now() - timedelta(minutes=3))


def stale_line(who):
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now() - timedelta(seconds=30), pdus="")


def webhook(who, **fields):
    message = accepted(who)
    Delivery.objects.create(
        id=derive(message.id, 1001), account=who.account, subject=message.id, kind="dlr", url="https://x.example/",
        body="{}", created_at=now(), **fields,
    )  # fmt: skip


def stale_webhook(who):
    webhook(who, state="PENDING", next_try_at=now() - timedelta(minutes=3))


def stale_claim(who):
    webhook(who, state="CLAIMED", lease_until=now() - timedelta(minutes=3))


def stale_key(who):
    IdempotencyKey.objects.create(
        account=who.account, key="k", request_hash="", response="", created_at=now() - timedelta(hours=50)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (stale_hint, "a hint for a queue waits for 30 s"),
        (stale_schedule, "a message whose date has come waits for 30 s"),
        (stale_doubt, "a message in doubt waits for 30 s"),
        (stale_validity, "a message whose validity is over waits for 3 min"),
        (stale_line, "what a carrier said waits for 30 s"),
        (stale_webhook, "a webhook that is due waits for 3 min"),
        (stale_claim, "a webhook whose process died waits for 3 min"),
        (stale_key, "an old idempotency key waits for 2 d"),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_a_clock_or_a_worker_that_stands_still_is_told_by_what_it_leaves(make, words):
    make(customer())
    found = failed(work.look())
    assert words in found and "start the process" in found
    assert found.count("\n") == 0


def waiting_part(who, *, seconds: int = 600) -> None:
    accepted(who, id=IdFactory(1).draw(int((time.time() - seconds) * 1000)))


@pytest.mark.django_db
def test_a_rule_that_waits_for_a_decision_is_a_warning():
    proposal = MAKE["messaging.IdRuleProposal"]()
    said = warned(lines.look())
    assert f"receipts of {proposal.carrier_account} meet no message; by the rule hex_to_dec they would" in said
    assert f"dlr_doctor {proposal.carrier_account} shows why" in said


@pytest.mark.django_db
def test_messages_that_wait_for_a_line_are_told_by_its_state():
    who = customer()
    waiting_part(who)
    assert "is not bound, and messages wait for it: 10 min" in failed(work.look())
    bound(who.connector)
    assert "is bound, and its oldest message waits for 10 min" in warned(work.look())
    type(who.connector).objects.update(desired="stopped")
    assert "is off, and messages wait for it" in warned(work.look())


@pytest.mark.django_db
def test_a_message_whose_date_has_just_come_does_not_wait_since_it_was_accepted():
    accepted(customer(), id=IdFactory(1).draw(int((time.time() - 86_400) * 1000)), send_at=now())
    assert levels(work.look()) == {Level.OK}


@pytest.mark.django_db
def test_what_was_given_up_is_a_warning():
    who = customer()
    webhook(who, state="EXHAUSTED")
    LineBatch.objects.create(connector=who.connector, bind_no=1, received_at=now(), pdus="00", tries=5)
    found = warned(work.look())
    assert "1 webhooks were given up → python manage.py replay_deliveries" in found
    assert "1 batches of carrier PDUs could not be understood" in found


@pytest.mark.django_db
def test_a_balance_that_its_entries_do_not_explain_is_a_failure():
    who = customer()
    assert levels(money.look()) == {Level.OK}
    Wallet.objects.filter(account=who.account).update(balance=F("balance") + 1)
    assert f"I2 account {who.account.pk}" in failed(money.look())


@pytest.mark.django_db
def test_a_ledger_that_nobody_seals_is_a_warning():
    LedgerSeal.objects.create(day=(now() - timedelta(days=9)).date(), entries=0, head="0" * 64)
    assert "audit_ledger --seal, every night" in warned(money.look())


def test_a_directory_that_is_missing_or_full_is_a_failure(settings, tmp_path, monkeypatch):
    settings.GATEWAY_VAR = tmp_path
    assert failed(disk.look()) == "" or disk.shutil.disk_usage(tmp_path).free < disk.LEAST_OCTETS
    usage = disk.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=usage.total // 20))
    assert "5%" in warned(disk.look())
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "free or add disk space" in failed(disk.look())
    settings.GATEWAY_VAR = tmp_path / "nowhere"
    assert "mkdir -p" in failed(disk.look())
