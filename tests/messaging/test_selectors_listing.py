"""Lists of messages: scoped, narrowed, by cursor, with what each message shows now."""

import time
from datetime import timedelta

import pytest

from common.errors import Code, Rejected
from common.ids import IdFactory, derive
from messaging import selectors
from messaging.models import Status
from messaging.selectors import Filters, get, page, parse_public_id
from smpp.constants import MessageState
from tests.messaging.underway import accepted, bind, now, receipt_for, sent
from tests.support.cast import customer, stranger

pytestmark = [pytest.mark.both, pytest.mark.django_db]


@pytest.fixture
def cast():
    return customer()


def ids(found):
    return [seen.message.id for seen in found.items]


def listed(cast, **filters):
    return ids(page(account_id=cast.account.pk, filters=Filters(**filters)))


def test_pages_go_from_the_newest_to_the_oldest_without_gaps(cast):
    messages = [accepted(cast).id for _ in range(5)]
    first = page(account_id=cast.account.pk, limit=2)
    second = page(account_id=cast.account.pk, limit=2, cursor=first.cursor)
    third = page(account_id=cast.account.pk, limit=2, cursor=second.cursor)
    assert ids(first) + ids(second) + ids(third) == messages[::-1]
    assert third.cursor is None


def test_a_list_is_of_one_account_and_staff_see_all(cast):
    mine, theirs = accepted(cast), accepted(stranger())
    assert listed(cast) == [mine.id]
    assert ids(page(account_id=None)) == [theirs.id, mine.id]


def test_a_list_is_narrowed_by_each_filter(cast):
    one = accepted(cast, recipient="971500000001", sender="ONE", client_ref="r1", tags=["vip", "a"])
    two = accepted(cast, tags=["vip2"])
    assert listed(cast, to="+971500000001") == [one.id]
    assert listed(cast, sender="ONE") == [one.id]
    assert listed(cast, client_ref="r1") == [one.id]
    assert listed(cast, tag="vip") == [one.id]
    assert listed(cast, created_from=now() - timedelta(minutes=1)) == [two.id, one.id]
    assert listed(cast, created_to=now() - timedelta(minutes=1)) == []
    assert listed(cast, created_from=now() + timedelta(minutes=1)) == []


def test_a_message_under_way_shows_its_least_advanced_part_and_the_list_finds_it_by_that(cast):
    line = bind(cast)
    message, waiting = accepted(cast, parts=2), accepted(cast)
    line.claim([derive(message.id, 1)])
    line.answer(message, seq=1)
    assert get(account_id=cast.account.pk, message_id=message.id).status == Status.QUEUED
    line.claim([derive(message.id, 2)])
    line.answer(message, seq=2)
    seen = get(account_id=cast.account.pk, message_id=message.id)
    assert (seen.status, seen.told, seen.done_parts) == (Status.SUBMITTED, "SENT", 0)
    assert listed(cast, status="SUBMITTED") == [message.id]
    assert listed(cast, status="sent") == [message.id]
    assert listed(cast, status="QUEUED") == [waiting.id]


def test_ended_messages_are_found_by_our_word_and_by_the_customers(cast):
    line = bind(cast)
    delivered, failed, waiting = sent(cast, line), sent(cast, line), accepted(cast)
    line.hear(receipt_for(delivered), receipt_for(failed, MessageState.UNDELIVERABLE))
    assert listed(cast, status="DELIVRD") == [delivered.id]
    assert listed(cast, status="undeliv") == [failed.id]
    assert listed(cast, status="UNDELIVERED") == [failed.id]
    assert waiting.id not in listed(cast, status="DELIVERED")
    with pytest.raises(Rejected) as refusal:
        listed(cast, status="nonsense")
    assert refusal.value.code == Code.INVALID_VALUE


def test_a_public_id_is_read_with_and_without_its_prefix(cast):
    message = accepted(cast, over_limit=True)
    assert parse_public_id(f"queued_{message.id}") == parse_public_id(str(message.id)) == message.id
    with pytest.raises(Rejected):
        parse_public_id("queued_nonsense")


def test_another_accounts_message_is_not_found(cast):
    message = accepted(cast)
    with pytest.raises(Rejected) as refusal:
        get(account_id=stranger().account.pk, message_id=message.id)
    assert refusal.value.code == Code.NOT_FOUND


def test_a_page_is_read_in_two_queries_and_counts_nothing(cast, django_assert_num_queries):
    for _ in range(5):
        accepted(cast, parts=2)
    with django_assert_num_queries(2) as queries:
        page(account_id=cast.account.pk, limit=4)
    assert not any("COUNT(" in query["sql"].upper() for query in queries.captured_queries)


def test_a_page_goes_on_from_the_last_weeks_into_the_months_before(cast):
    made = [accepted(cast, id=IdFactory(1).draw(int((time.time() - days * 86_400) * 1000))) for days in (0, 26, 28, 90)]
    ids = [message.id for message in made]
    first = page(account_id=cast.account.pk, limit=3)
    assert [seen.message.id for seen in first.items] == ids[:3]
    assert [seen.message.id for seen in page(account_id=cast.account.pk, cursor=first.cursor).items] == ids[3:]
    until = Filters(created_to=made[1].created_at - timedelta(days=27))
    assert [seen.message.id for seen in page(account_id=cast.account.pk, filters=until).items] == ids[2:]
    assert page(account_id=cast.account.pk, limit=4).cursor is None


def test_a_page_is_never_larger_than_its_limit(cast, monkeypatch):
    monkeypatch.setattr(selectors, "LARGEST_PAGE", 3)
    for _ in range(5):
        accepted(cast)
    assert len(page(account_id=cast.account.pk, limit=10_000).items) == 3
