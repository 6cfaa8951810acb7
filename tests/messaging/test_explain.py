"""Every hot statement on 25 months of traffic: one or two partitions, and never a whole one (architecture 6)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from common import partitions
from common.errors import SendKind
from common.ids import derive, new_id
from common.queues import Lane
from messaging import cancel, claims, client_texts, due, leases, mailbox, outbox, selectors, sweep, trace, webhooks
from messaging.models import Delivery, Message, Part, Receipt, Status
from messaging.receipts import parked
from messaging.selectors import Filters
from smpp.addresses import Address
from smpp.constants import MessageState
from tests.messaging import underway
from tests.messaging.explained import AHEAD, MONTHS, Touch, faults, history, pieces, watching
from tests.messaging.underway import accepted, bind, receipt, receipt_for, sent, unmarked
from tests.support import intake
from tests.support import webhooks as letters
from tests.support.cast import NUMBER, Cast, customer, forget_snapshots, make_smpp_client
from workers.binds.table import lanes_with_rows

__all__ = ["history"]  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("history")]


@pytest.fixture
def who() -> Cast:
    return customer(credits="1000")


def check(seen: list[Touch], *, least: int) -> None:
    """At least so many statements were seen, and nothing is wrong with any."""
    assert len({touch.sql for touch in seen}) >= least, {touch.sql for touch in seen}
    assert not faults(seen), "\n".join(faults(seen))


def test_the_history_is_there_and_a_whole_scan_is_noticed():
    held = [item for item in partitions.listed() if item.table == "messaging_part" and item.rows > 0]
    assert len(held) == MONTHS - AHEAD
    with watching() as seen:
        list(Part.objects.filter(status="NONE"))
        list(Message.objects.filter(recipient=NUMBER))
    words = "\n".join(faults(seen))
    assert (
        "sequential scan of messaging_part_" in words and f"{MONTHS - AHEAD} partitions of messaging_message" in words
    )


def test_intake_and_cancelling(who):
    gate = intake.make_intake()
    with watching() as seen:
        answers = gate.submit_many([intake.request(who, intake.command(who), intake.command(who), key="one")])
        cancel.cancel(account_id=who.account.pk, message_id=answers[0][0].message_id)
    check(seen, least=4)


def test_claiming(who):
    line = bind(who)
    some = [accepted(who) for _ in range(5)]
    with watching() as seen:
        assert len(line.claim([derive(message.id, 1) for message in some[:3]])) == 3
        assert len(line.claim()) == 2
        assert claims.hand_back([derive(some[0].id, 1)], connector_id=line.connector_id, bind_no=1, fence=line.fence)
        lanes_with_rows([(line.connector_id, lane) for lane in Lane])
    check(seen, least=6)


@pytest.mark.parametrize(
    "kind", [underway.SUBMITTED, SendKind.TEMPORARY, SendKind.ROUTE, SendKind.PERMANENT, SendKind.THROTTLED]
)
def test_recording_of_results(who, kind):
    line = bind(who)
    some = [accepted(who, parts=2) for _ in range(5)]
    line.claim()
    with watching() as seen:
        line.record(*(line.result(derive(m.id, s), kind, provider_id=f"{m.id.hex}-{s}") for m in some for s in (1, 2)))
    check(seen, least=3)


def test_receipts(who):
    line = bind(who)
    some = [sent(who, line) for _ in range(5)]
    early, doubtful = accepted(who), accepted(who, recipient="971509998877")
    line.claim()
    line.answer(doubtful, SendKind.UNCERTAIN)
    with watching() as seen:
        line.hear(*(receipt_for(message) for message in some))
        line.hear(receipt_for(some[0], MessageState.UNDELIVERABLE), receipt("nobody-knows-it"), receipt_for(early))
        line.answer(early)
        line.hear(receipt("another", recipient="971509998877"))
    assert Message.objects.filter(id__in=[*(m.id for m in some), early.id], status="DELIVERED").count() == 6
    check(seen, least=8)


def test_parked_receipts_are_found_by_their_numbers_past_all_others_of_the_carrier(who):
    line = bind(who)
    line.hear(*(receipt(f"nobody-{n}", recipient=f"9715{n:08}") for n in range(500)))
    line.hear(*(receipt(f"nobody-{n}", recipient=f"9715{n:08}") for n in range(500, 1_000)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE messaging_receipt")
    with watching() as seen:
        parked.rematch_addresses({"971500000007", "971500000700"}, who.connector.name)
    check(seen, least=2)
    [first] = [touch for touch in seen if '"source" IN' in touch.sql]
    assert first.index in pieces("receipt_parked_source") | pieces("receipt_parked_dest")


def test_receipts_that_speak_for_all_parts(who):
    who.connector.dlr_parts = "first"
    who.connector.save()
    forget_snapshots()
    line = bind(who)
    some = [sent(who, line, parts=3) for _ in range(5)]
    early = accepted(who, parts=3)
    short = [accepted(who) for _ in range(3)]
    line.claim()
    with watching() as seen:
        line.hear(*(receipt_for(message) for message in some), receipt_for(early))
        line.record(*(line.result(derive(early.id, s), provider_id=f"{early.id.hex[:24]}-{s}") for s in (1, 2, 3)))
        line.record(*(line.result(derive(m.id, 1), provider_id=f"{m.id.hex[:24]}-1") for m in short))
    assert Message.objects.filter(id__in=[*(m.id for m in some), early.id], status="DELIVERED").count() == 6
    check(seen, least=8)


def test_webhooks(who):
    fresh = letters.born(who, "https://x.example/a", 5, token=7)
    waiting = letters.due(who, "https://x.example/b", 5)
    late = letters.born(who, "https://x.example/c", 2, token=8, seconds=-5)
    with watching() as seen:
        mine = webhooks.born([(key, 7) for key in fresh])
        webhooks.record([letters.posted(item, 200) for item in mine[:3]])
        webhooks.record([letters.posted(item, 500) for item in mine[3:]])
        assert len(due.named(waiting)) == 5
        window = due.scan(after=None, skip=due.Skip(), limit=3)
        due.scan(after=window.end, skip=due.Skip(endpoints=["https://x.example/b"], strangers=True), limit=3)
        webhooks.give_back(letters.claim(waiting))
        assert webhooks.release_stale() == len(late)
    check(seen, least=8)


def test_mailboxes(who):
    esme, quiet = make_smpp_client(who.account), make_smpp_client(who.account)
    client_texts.plan([client_texts.TextFor(
        inbound_id=new_id(), account_id=who.account.pk, smpp_client_id=esme.pk,
        facts=client_texts.TextFacts(source=Address(NUMBER, 1, 1), destination=Address("4444", 3, 0), content="hi",
                                     encoding="gsm7"),
    ) for _ in range(5)])  # fmt: skip
    with watching() as seen:
        held = mailbox.claim(token=9, room={esme.pk: 4, quiet.pk: 4})
        mailbox.record([mailbox.Handed(item, "DELIVERED") for item in held])
    assert len(held) == 4
    check(seen, least=3)


def test_what_nobody_fetched_is_found_by_its_age_past_what_waits_since_yesterday(who):
    esme, now = make_smpp_client(who.account), datetime.now(UTC)
    Delivery.objects.bulk_create(
        Delivery(
            id=new_id(), account_id=who.account.pk, subject=new_id(), kind="mo", smpp_client_id=esme.pk, body="{}",
            created_at=now - timedelta(days=8 if number < 3 else 1),
        )
        for number in range(2_000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE messaging_delivery")
    with watching() as seen:
        assert mailbox.expire() == 3
    check(seen, least=2)
    found_by = {touch.index for touch in seen if touch.sql.startswith("SELECT") and not touch.empty}
    assert found_by and found_by <= pieces("delivery_unfetched")


def test_sweeps(who):
    line = bind(who)
    now = underway.now()
    accepted(who, status=Status.SCHEDULED, send_at=now - timedelta(seconds=1))
    accepted(who, expires_at=now - timedelta(seconds=1))
    silent = sent(who, line)
    Part.objects.filter(id=derive(silent.id, 1)).update(expires_at=now - timedelta(days=4))
    doubtful = accepted(who)
    line.claim([derive(doubtful.id, 1)])
    line.answer(doubtful, SendKind.UNCERTAIN)
    Part.objects.filter(id=derive(doubtful.id, 1)).update(uncertain_until=now)
    line.hear(receipt("nobody-knows-it", recipient="971500000001"), unmarked("nor-this"))
    Receipt.objects.update(received_at=now - timedelta(seconds=61), next_try_at=now)
    texts = []
    with watching() as seen:
        assert sweep.dispatch_due() == 1
        assert sweep.expire_due() == 1
        assert sweep.resolve_uncertain() == 1
        assert sweep.close_unreceipted() == 1
        sweep.rematch_parked(on_text=texts.extend)
        leases.sweep_ended()
        leases.acquire(line.connector_id, 2, "another")
        outbox.relay(outbox=outbox.Outbox(intake.PostBox))
    assert len(texts) == 1
    check(seen, least=15)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(created_from=datetime.now(UTC) - timedelta(days=20)),
        Filters(status="DELIVRD"),
    ],
    ids=["all", "since", "status"],
)
def test_lists(filters):
    with watching() as seen:
        page = selectors.page(account_id=7, filters=filters, limit=5)
        selectors.page(account_id=7, filters=filters, cursor=page.cursor, limit=5)
        selectors.page(account_id=None, filters=filters, limit=5)
    assert page.cursor is not None
    check(seen, least=2)


def test_one_message_and_its_story(who):
    line = bind(who)
    message = sent(who, line, parts=2)
    line.hear(receipt_for(message))
    with watching() as seen:
        selectors.get(account_id=who.account.pk, message_id=message.id)
        trace.trace(None, message.id)
    check(seen, least=7)
