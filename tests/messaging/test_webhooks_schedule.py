"""When a delivery is tried again and when it is given up (design rule P8); dead letters and their replay."""

from datetime import UTC, datetime, timedelta

import pytest

from common.clock import utc_now
from common.jobs import recorder
from messaging import webhooks
from messaging.dead_letters import Choice, replay
from messaging.models import Delivery, DeliveryAttempt
from messaging.webhooks import DELIVER, next_try
from tests.support.cast import customer, stranger
from tests.support.webhooks import claim, due, posted, states

URL = "https://customer.example/dlr"
NOW = datetime(2026, 4, 10, tzinfo=UTC)
MINUTE, HOUR = 60, 3600
WAITS = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR] + [10 * HOUR] * 6


def waits(tries, count=300):
    return [(next_try(tries, 500, NOW) - NOW).total_seconds() for _ in range(count)]


@pytest.mark.parametrize(("tries", "seconds"), list(enumerate(WAITS)))
def test_each_wait_is_that_of_the_schedule_give_or_take_a_fifth(tries, seconds):
    drawn = waits(tries)
    assert min(drawn) >= seconds * 0.8
    assert max(drawn) <= seconds * 1.2
    assert max(drawn) - min(drawn) > seconds * 0.2  # no two customers in step


def test_the_tries_go_on_for_about_three_days_and_then_end():
    assert 60 * HOUR < sum(WAITS) < 76 * HOUR
    assert next_try(len(WAITS), 500, NOW) is None


def test_the_schedule_can_be_compressed(settings):
    settings.DELIVERY_SCHEDULE_SCALE = 0.01
    assert all(0.04 <= wait <= 0.06 for wait in waits(0))


def test_gone_means_gone():
    assert next_try(0, 410, NOW) is None


@pytest.mark.both
@pytest.mark.django_db
def test_after_the_last_try_the_delivery_is_a_dead_letter_with_all_its_attempts():
    [key] = due(customer(), URL)
    for number in range(len(WAITS) + 1):
        assert states([key]) == {"PENDING"}
        Delivery.objects.update(next_try_at=utc_now() - timedelta(seconds=1))
        [claimed] = claim([key])
        assert claimed.tries == number
        webhooks.record([posted(claimed, 503, "HTTP 503")])
    row = Delivery.objects.get()
    assert (row.state, row.tries, row.last_error, row.next_try_at) == ("EXHAUSTED", 12, "HTTP 503", None)
    assert list(DeliveryAttempt.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 13))


@pytest.mark.both
@pytest.mark.django_db
def test_a_410_makes_a_dead_letter_at_once():
    [key] = due(customer(), URL)
    webhooks.record([posted(*claim([key]), code=410, error="HTTP 410")])
    assert states([key]) == {"EXHAUSTED"}
    assert DeliveryAttempt.objects.get().code == 410


def dead(cast, count=1, **fields):
    return due(cast, URL, count, **{"state": "EXHAUSTED", "tries": 12, "next_try_at": None, **fields})


@pytest.mark.both
@pytest.mark.django_db
def test_a_replayed_dead_letter_is_the_same_event_with_a_fresh_schedule(django_capture_on_commit_callbacks):
    [key] = dead(customer(), done_at=utc_now(), last_error="HTTP 503")
    with recorder() as jobs, django_capture_on_commit_callbacks(execute=True):
        assert replay(Choice(ids=(key,))) == 1
    assert jobs == [(DELIVER, {"ids": [str(key)]})]
    [claimed] = claim([key])
    assert (claimed.id, claimed.tries) == (key, 0)
    assert replay(Choice(ids=(key,))) == 0


@pytest.mark.both
@pytest.mark.django_db
def test_only_the_chosen_dead_letters_are_replayed():
    mine, theirs = customer(), stranger()
    old = dead(mine, created_at=utc_now() - timedelta(days=9))
    fresh, foreign = dead(mine), dead(theirs)
    alive = due(mine, URL, state="DELIVERED")
    on_a_bind = due(mine, "", state="EXHAUSTED")
    since = utc_now() - timedelta(days=1)
    assert replay(Choice(ids=tuple(foreign), account_id=mine.account.pk)) == 0
    assert replay(Choice(account_id=mine.account.pk, since=since)) == 1
    assert states(fresh) == {"PENDING"}
    assert states(old) == states(foreign) == states(on_a_bind) == {"EXHAUSTED"}
    assert states(alive) == {"DELIVERED"}
    assert replay(Choice(), limit=1) == 1
    assert states(old) == {"PENDING"}
