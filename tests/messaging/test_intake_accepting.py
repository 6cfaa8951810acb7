"""What acceptance means: message, parts, charge, count and outbox in one commit, and nothing at all for a refusal."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import LedgerEntry, Reason
from common.clock import utc_now
from common.errors import Code, Rejected
from common.ids import derive
from messaging.commands import Accepted
from messaging.models import IdempotencyKey, Message, OutboxBatch, Part, Status, TrafficCount
from tests.support import cast
from tests.support.intake import PostBox, accepted, command, make_intake, request

pytestmark = [pytest.mark.django_db, pytest.mark.both]


def charges(who):
    return list(LedgerEntry.objects.filter(account=who.account, reason=Reason.CHARGE))


def assert_nothing_written(who, balance="100"):
    assert not Message.objects.exists()
    assert not Part.objects.exists()
    assert not OutboxBatch.objects.exists()
    assert not TrafficCount.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert not charges(who)
    assert who.balance == Decimal(balance)


def test_an_accepted_message_is_written_charged_counted_and_announced():
    who, box = cast.customer("100"), PostBox()
    [answer] = make_intake(box).submit_many([request(who, client_ref="r1", tags=["a"], tlvs={"x": 1}, dlr=False)])

    done = accepted(answer)
    message = Message.objects.get()
    assert (message.id, message.account_id, message.api_client_id) == (done.message_id, who.account.pk, who.client.pk)
    assert (message.sender, message.recipient, message.recipient_given) == ("GATEWAY", cast.NUMBER, "")
    assert (message.content, message.encoding, message.lane, message.source) == (
        "hello",
        "gsm7",
        "transactional",
        "api",
    )
    assert (message.client_ref, message.tags, message.tlvs, message.dlr) == ("r1", ["a"], {"x": 1}, False)
    assert message.route["hops"] == [who.connector.pk]
    assert (message.unit_price, message.price) == (Decimal(1), Decimal(1))
    assert message.expires_at == message.created_at + timedelta(days=1)  # the connector's default
    part = Part.objects.get()
    assert (part.id, part.message_id, part.seq) == (derive(message.id, 1), message.id, 1)
    assert (part.status, part.connector_id, part.lane) == (Status.QUEUED, who.connector.pk, "transactional")
    assert part.expires_at == message.expires_at
    (charge,) = charges(who)
    assert (charge.id, charge.amount, charge.parts) == (message.charge, Decimal(1), 1)
    assert who.balance == Decimal(99)
    count = TrafficCount.objects.get()
    assert (count.measure, count.messages, count.parts, count.amount) == ("accepted", 1, 1, Decimal(1))
    assert OutboxBatch.objects.get().parts == part.id.hex
    ((queue, body),) = box.letters
    assert queue.endswith(f"submit_{who.connector.name}")
    assert body == {"ids": [part.id.hex]}


def test_a_long_text_has_as_many_parts_as_it_costs():
    who = cast.customer("100", billing_mode="rate", rate="0.5500")
    [answer] = make_intake().submit_many([request(who, content="x" * 400)])
    assert accepted(answer).parts == 3
    assert accepted(answer).price == Decimal("1.6500")
    assert who.balance == Decimal("98.3500")
    assert sorted(Part.objects.values_list("seq", flat=True)) == [1, 2, 3]
    assert Message.objects.get().reference > 0


def test_a_thousand_commands_are_one_batch_with_one_charge():
    who, box = cast.customer("2000"), PostBox()
    [answer] = make_intake(box).submit_many(
        [request(who, *[command(who, to=str(971500000000 + i)) for i in range(1000)])]
    )
    assert len({outcome.message_id for outcome in answer}) == 1000
    assert Message.objects.count() == Part.objects.count() == 1000
    assert [entry.amount for entry in charges(who)] == [Decimal(1000)]
    assert [len(body["ids"]) for _, body in box.letters] == [200] * 5
    assert TrafficCount.objects.get().messages == 1000


def test_refused_and_accepted_commands_of_one_request_are_told_apart():
    who = cast.customer("100")
    commands = [command(who), command(who, to="abc"), command(who, content="bad \x00"), command(who, content="ok")]
    [answer] = make_intake().submit_many([request(who, *commands)])
    assert [getattr(outcome, "code", "accepted") for outcome in answer] == [
        "accepted",
        Code.INVALID_NUMBER,
        Code.INVALID_VALUE,
        "accepted",
    ]
    assert Message.objects.count() == 2
    assert who.balance == Decimal(98)


def test_a_refused_request_writes_nothing_and_charges_nothing():
    who, box = cast.customer("100"), PostBox()
    requests = [request(who, to="abc", key="k"), request(who, content="")]
    answers = make_intake(box).submit_many(requests)
    assert [answer[0].code for answer in answers] == [Code.INVALID_NUMBER, Code.MISSING_FIELD]
    assert_nothing_written(who)
    assert box.letters == []


def test_without_credits_nothing_is_written_not_even_the_key():
    who = cast.customer("0.5")
    [answer] = make_intake().submit_many([request(who, key="k")])
    assert [outcome.code for outcome in answer] == [Code.NO_CREDIT]
    assert_nothing_written(who, "0.5")


def test_without_a_route_nothing_is_written():
    who = cast.customer("100")
    who.profile.routes.all().delete()
    cast.forget_snapshots()
    [answer] = make_intake().submit_many([request(who)])
    assert [outcome.code for outcome in answer] == [Code.NO_ROUTE]
    assert_nothing_written(who)


def test_a_suspended_account_is_refused_whoever_sends_for_it():
    who = cast.customer("100", active=False)
    [answer] = make_intake().submit_many([request(who, source="campaign", api_client=None)])
    assert [outcome.code for outcome in answer] == [Code.SUSPENDED]
    assert_nothing_written(who)


def test_what_is_committed_stays_accepted_when_telling_the_queues_fails(monkeypatch):
    who, box = cast.customer("100"), PostBox()
    monkeypatch.setattr(PostBox, "publish", None)
    accepted(make_intake(box).submit_many([request(who)])[0])
    assert OutboxBatch.objects.count() == 1


def test_credits_cover_a_prefix_and_a_cheaper_message_may_not_jump_over():
    who, other = cast.customer("3"), cast.customer("10")
    requests = [
        request(who, content="x"),
        request(who, content="x" * 400),  # three parts, two credits left
        request(who, content="x"),
        request(other, content="x"),
    ]
    answers = make_intake().submit_many(requests)
    assert isinstance(answers[0][0], Accepted)
    assert [answers[i][0].code for i in (1, 2)] == [Code.NO_CREDIT] * 2
    assert isinstance(answers[3][0], Accepted)
    assert (who.balance, other.balance) == (Decimal(2), Decimal(9))


def test_a_credit_limit_may_be_used_and_an_unlimited_account_is_never_refused():
    on_credit, unlimited = cast.customer("0", credit_limit="1"), cast.customer("0", unlimited=True)
    requests = [request(on_credit), request(on_credit), request(unlimited)]
    answers = make_intake().submit_many(requests)
    assert [isinstance(answer[0], Accepted) for answer in answers] == [True, False, True]
    assert (on_credit.balance, unlimited.balance) == (Decimal(-1), Decimal(-1))


def test_a_clients_spending_cap_refuses_that_client_alone():
    who = cast.customer("100", client={"spending_cap": Decimal(2)})
    free = cast.make_client(who.account)
    from accounts.snapshot import accounts

    others = command(who, api_client=accounts().client(free.pk))
    [answer] = make_intake().submit_many([request(who, command(who), command(who), command(who), others)])
    assert [isinstance(outcome, Accepted) for outcome in answer] == [True, True, False, True]
    assert who.balance == Decimal(97)


def test_a_free_message_is_accepted_without_a_line_in_the_ledger():
    who = cast.customer("0", billing_mode="rate", rate="0")
    [answer] = make_intake().submit_many([request(who)])
    assert accepted(answer).price == 0
    assert Message.objects.get().charge is None
    assert not charges(who)


def test_a_scheduled_message_is_charged_now_and_told_to_no_queue():
    who, box = cast.customer("100"), PostBox()
    later = utc_now() + timedelta(hours=1)
    [answer] = make_intake(box).submit_many([request(who, send_at=later, validity=60)])
    assert (accepted(answer).status, accepted(answer).queued) == ("SCHEDULED", False)
    part = Part.objects.get()
    assert (part.status, part.send_at, part.expires_at) == (Status.SCHEDULED, later, later + timedelta(seconds=60))
    assert not OutboxBatch.objects.exists()
    assert box.letters == []
    assert who.balance == Decimal(99)


def test_a_defect_met_by_one_command_does_not_harm_the_others(monkeypatch):
    from messaging.intake import jobs

    who = cast.customer("100")
    prepare = jobs.prepare
    monkeypatch.setattr(jobs, "prepare", lambda c, now: 1 / 0 if c.content == "boom" else prepare(c, now))
    answers = make_intake().submit_many([request(who), request(who, content="boom"), request(who)])
    assert isinstance(answers[1][0], Rejected)
    assert answers[1][0].code == Code.INTERNAL
    assert Message.objects.count() == 2


@pytest.mark.parametrize("keyed", [False, True])
def test_the_number_of_statements_does_not_depend_on_the_number_of_messages(keyed):
    who, intake = cast.customer("1000"), make_intake()

    def statements(count, word):
        requests = [request(who, to=str(971500000000 + i), key=f"{word}{i}" if keyed else "") for i in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answers = intake.submit_many(requests)
        assert all(isinstance(answer[0], Accepted) for answer in answers)
        return len(queries)

    statements(1, "warm")
    assert statements(1, "one") == statements(190, "many")
