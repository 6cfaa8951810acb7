"""Old months are dropped whole, in order, and never with unfinished work in them."""

import json
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from billing.models import LedgerSeal
from billing.seals import seal_closed_days
from common import partitions
from common.ids import IdFactory, derive
from messaging import sweep
from messaging.audit import charged_messages_check
from messaging.models import Attempt, Delivery, DeliveryAttempt, Message, Part, Receipt, Status
from tests.messaging.underway import accepted
from tests.support.cast import customer
from workers import retention
from workers.tasks.housekeeping import PARTITIONED, ensure_partitions

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
FIRST, SECOND = partitions.months_from(NOW - timedelta(days=150), 2)


def name(table: str, month: tuple[int, int]) -> str:
    return f"{table}_{month[0]}{month[1]:02}"


def within(month: tuple[int, int], *, day: int = 3) -> datetime:
    return datetime(*month, day, 12, tzinfo=UTC)


def drawn(month: tuple[int, int]) -> UUID:
    # A factory never goes back in time, so each id is the first of its own.
    return IdFactory(7).draw(int(within(month).timestamp() * 1000))


def message(month: tuple[int, int], *, status: str = Status.DELIVERED, key: UUID | None = None) -> Message:
    at = within(month)
    return accepted(OWNER[0], id=key or drawn(month), status=status, created_at=at, expires_at=at + timedelta(days=1))


def delivery(subject: Message, state: str) -> Delivery:
    return Delivery.objects.create(
        id=derive(subject.id, 1001),
        account_id=subject.account_id,
        subject=subject.id,
        kind="dlr",
        url="https://customer.example/dlr",
        body="{}",
        state=state,
        next_try_at=NOW,
        created_at=subject.created_at,
    )


OWNER: list = []


@pytest.fixture(autouse=True)
def two_old_months():
    OWNER[:] = [customer(credits="10000")]
    for model in PARTITIONED:
        for month in (FIRST, SECOND):
            partitions._make(model._meta.db_table, *month)


def drop(days: int = 60, **options) -> retention.Dropped:
    return retention.drop_old(days, now=NOW, force_unsealed=options.pop("force_unsealed", True))


def exists(table: str, month: tuple[int, int]) -> bool:
    return name(table, month) in {partition.name for partition in partitions.listed()}


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("partitions", *arguments, stdout=out)
    return out.getvalue()


def test_every_partitioned_table_has_its_rule():
    assert set(retention.UNFINISHED) == {model._meta.db_table for model in PARTITIONED} == set(partitions.tables())


def test_finished_months_go_whole_the_oldest_first_and_messages_before_their_parts():
    old, kept = message(FIRST), message(SECOND)
    delivery(old, Delivery.State.DELIVERED)
    young = accepted(OWNER[0])
    done = drop()
    assert done.stays == ""
    tables = [name(table, month) for month in (FIRST, SECOND) for table in retention.UNFINISHED]
    assert done.names == tables
    assert done.names[:2] == [name("messaging_message", FIRST), name("messaging_part", FIRST)]
    assert set(Message.objects.values_list("id", flat=True)) == {young.id}
    assert not Part.objects.filter(message_id__in=[old.id, kept.id]).exists()
    assert drop().names == []


def test_a_month_that_has_not_been_over_for_so_long_stays():
    message(SECOND)
    days = (NOW - datetime(*SECOND, 1, tzinfo=UTC)).days  # the first month ended so many days ago
    assert {name_[-6:] for name_ in drop(days).names} == {name("", FIRST)[-6:]}
    assert Message.objects.count() == 1


@pytest.mark.parametrize("status", sorted(retention.OPEN))
def test_an_unfinished_message_holds_its_month_and_every_later_one(status):
    waiting, later = message(FIRST, status=status), message(SECOND)
    Attempt.objects.create(
        id=drawn(SECOND), part_id=derive(waiting.id, 1), message_id=waiting.id, number=1,
        connector_id=waiting.connector_id or 1, ended_at=within(SECOND), outcome="temporary",
    )  # fmt: skip
    done = drop()
    assert done.names == []
    assert "stays" in done.stays and status in done.stays
    assert Message.objects.filter(id__in=[waiting.id, later.id]).count() == 2
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("state", [Delivery.State.PENDING, Delivery.State.CLAIMED])
def test_a_webhook_on_its_way_holds_its_month(state):
    delivery(message(FIRST), state)
    assert state in drop().stays
    assert exists("messaging_message", FIRST)


def test_a_parked_receipt_holds_its_month_until_the_clock_has_given_it_up():
    line = customer().connector
    Receipt.objects.create(
        id=drawn(FIRST), connector_id=line.pk, carrier_account="c", provider_id="1", provider_key="1",
        state=Receipt.State.PARKED, status="DELIVERED", raw="", received_at=within(FIRST), next_try_at=within(FIRST),
    )  # fmt: skip
    assert "PARKED" in drop().stays
    assert exists("messaging_receipt", FIRST)
    sweep.rematch_parked()
    assert Receipt.objects.get().state == Receipt.State.ORPHAN
    assert drop().stays == ""
    assert not exists("messaging_receipt", FIRST)


def test_dead_letters_go_with_their_month_and_take_their_tries_along():
    gone = delivery(message(FIRST), Delivery.State.EXHAUSTED)
    stays = delivery(accepted(OWNER[0]), Delivery.State.EXHAUSTED)
    for row in (gone, stays):
        DeliveryAttempt.objects.create(delivery_id=row.id, number=1, at=NOW)
    drop()
    assert list(DeliveryAttempt.objects.values_list("delivery_id", flat=True)) == [stays.id]


def test_days_that_the_ledger_has_not_sealed_stay_unless_forced():
    message(FIRST)
    LedgerSeal.objects.create(day=within(FIRST).date(), entries=0, head="0" * 64)
    done = drop(force_unsealed=False)
    assert done.names == [] and "not sealed" in done.stays
    last = datetime(*SECOND, 1, tzinfo=UTC).date() - timedelta(days=1)
    LedgerSeal.objects.create(day=last, entries=0, head="0" * 64)
    done = drop(force_unsealed=False)
    assert {name_[-6:] for name_ in done.names} == {name("", FIRST)[-6:]}
    assert f"{SECOND[0]}-{SECOND[1]:02} stays" in done.stays and "not sealed" in done.stays
    assert drop(force_unsealed=True).stays == ""


def test_too_short_a_retention_is_refused():
    message(FIRST)
    with pytest.raises(CommandError, match="too short"):
        run("--drop-older-than", str(retention.LEAST_DAYS - 1))
    assert Message.objects.count() == 1


def test_the_plan_names_what_would_go_and_changes_nothing():
    message(FIRST)
    delivery(message(SECOND), Delivery.State.PENDING)
    plan = json.loads(run("--plan", "--drop-older-than", "60", "--force-unsealed", "--json"))
    assert {item[-6:] for item in plan["dropped"]} == {name("", FIRST)[-6:]}
    assert "PENDING" in plan["stays"]
    assert Message.objects.count() == 2


def test_the_command_says_what_it_dropped_and_why_it_stopped():
    message(FIRST)
    delivery(message(SECOND), Delivery.State.PENDING)
    told = run("--drop-older-than", "60", "--force-unsealed")
    assert f"{name('messaging_message', FIRST)}: dropped" in told
    assert f"{SECOND[0]}-{SECOND[1]:02} stays: {name('messaging_delivery', SECOND)} has rows with" in told


def test_the_list_tells_rows_and_size():
    message(FIRST)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE messaging_message")
    (found,) = [
        item for item in json.loads(run("--json"))["partitions"] if item["name"] == name("messaging_message", FIRST)
    ]
    assert found["rows"] == 1 and found["octets"] > 0
    assert f"messaging_message        {FIRST[0]}-{FIRST[1]:02}            1 rows" in run()


def test_rows_in_default_get_their_month():
    month = (2031, 7)
    stray = message(month)
    assert partitions.stray_months("messaging_message") == [month]
    assert f"{name('messaging_message', month)}: made" in run("--ensure")
    assert partitions.stray_months("messaging_message") == []
    assert Message.objects.get(id=stray.id).status == Status.DELIVERED
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM messaging_message WHERE id = %s", [stray.id])
        assert cursor.fetchone()[0] == name("messaging_message", month)
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [name("messaging_message", month)])
        assert cursor.fetchone()[0] == 4
    assert "nothing to do" in run("--ensure")


def charged_at(moment: datetime, monkeypatch) -> None:
    """The next charges are drawn at this moment."""
    key = IdFactory(9).draw(int(moment.timestamp() * 1000))
    monkeypatch.setattr("tests.messaging.underway.new_id", lambda: key)


def border(month: tuple[int, int], seconds: float) -> datetime:
    return datetime(*month, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def test_the_audit_is_right_after_a_drop_also_where_a_batch_lay_on_the_border(monkeypatch):
    charged_at(border(SECOND, 0.01), monkeypatch)
    message(FIRST, key=IdFactory(9).draw(int(border(SECOND, -0.01).timestamp() * 1000)))
    charged_at(border(SECOND, 86_400), monkeypatch)
    held = message(SECOND)
    delivery(held, Delivery.State.PENDING)
    since = within(FIRST).date()
    assert list(charged_messages_check()) == list(charged_messages_check(since=since)) == []
    assert name("messaging_message", FIRST) in drop().names
    assert list(charged_messages_check()) == list(charged_messages_check(since=since)) == []
    Message.objects.filter(id=held.id).delete()  # what is missing and was not dropped is still missed
    assert [finding.invariant for finding in charged_messages_check(since=since)] == ["I4"]


def test_a_table_in_use_is_left_for_the_next_time(monkeypatch):
    monkeypatch.setattr(retention, "TRIES", 1)

    def in_use(*_, **__):
        raise OperationalError("canceling statement due to lock timeout") from LockNotAvailable()

    monkeypatch.setattr(partitions, "drop", in_use)
    message(FIRST)
    done = drop()
    assert done.names == [] and "in use" in done.stays


@pytest.mark.django_db(transaction=True)
def test_a_drop_waits_a_moment_for_readers_and_then_gives_up_at_once():
    piece = name("messaging_part", FIRST)
    reading, enough = threading.Event(), threading.Event()

    def read():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM messaging_part LIMIT 1")
            reading.set()
            enough.wait(10)
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(5)
    try:
        with pytest.raises(OperationalError, match="lock timeout"):
            partitions.drop(piece)
        assert exists("messaging_part", FIRST)
    finally:
        enough.set()
        reader.join()
    assert partitions.drop(piece) == ""
    assert not exists("messaging_part", FIRST)
    with connection.cursor() as cursor:
        for partition in partitions.listed():
            if partition.month in (FIRST, SECOND):
                cursor.execute(f"DROP TABLE {partition.name}")


def test_the_clock_drops_by_the_setting_and_keeps_everything_at_zero(settings):
    message(FIRST)
    settings.RETENTION_DAYS = 0
    ensure_partitions()
    assert exists("messaging_message", FIRST)
    settings.RETENTION_DAYS = 60
    seal_closed_days(NOW)
    ensure_partitions()
    assert not exists("messaging_message", FIRST)
