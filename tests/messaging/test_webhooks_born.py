"""New deliveries are claimed by being written: who has the hint posts, anybody else waits for the end of the lease."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common import process_leases
from common.clock import utc_now
from common.ids import new_id
from common.models import ProcessLease
from messaging import webhooks
from messaging.models import Delivery
from tests.support.cast import customer, make_endpoint
from tests.support.webhooks import BODY, born, claim, posted, states

URL = "https://customer.example/dlr?x=1"
pytestmark = [pytest.mark.both, pytest.mark.django_db]


def test_what_is_read_is_what_a_post_needs_and_nothing_is_written():
    cast = customer(client={"webhook_secret": "whsec_AAAA"})
    endpoint = make_endpoint(cast.account, URL, secret="whsec_BBBB")
    ids = born(cast, URL, token=7) + born(cast, URL, token=8, endpoint=endpoint)
    with CaptureQueriesContext(connection) as queries:
        first, second = webhooks.born([(ids[0], 7), (ids[1], 8)])
    assert (first.id, first.token, first.url, first.body, first.tries) == (ids[0], 7, URL, BODY, 0)
    assert (first.account_id, first.endpoint) == (cast.account.pk, "https://customer.example/dlr")
    assert (first.secret, second.secret) == ("whsec_AAAA", "whsec_BBBB")
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}


def test_only_under_its_own_token_and_while_nobody_else_had_it():
    ids = born(customer(), URL, 3, token=7)
    assert webhooks.born([(key, 8) for key in ids]) == []
    assert webhooks.born([]) == []
    assert claim(ids) == []
    first, second, _ = webhooks.born([(key, 7) for key in ids])
    webhooks.record([posted(first)])
    webhooks.give_back([second])
    assert [item.id for item in webhooks.born([(key, 7) for key in ids])] == [ids[2]]
    assert [item.id for item in claim(ids)] == [ids[1]]


def test_after_the_lease_the_first_owner_changes_nothing():
    [key] = born(customer(), URL, token=7)
    [slow] = webhooks.born([(key, 7)])
    Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=1))
    [late] = webhooks.born([(key, 7)])
    assert late.seconds < 0
    assert webhooks.release_stale() == 1
    [other] = claim([key])
    webhooks.record([posted(slow, 500, "HTTP 500")])
    assert webhooks.give_back([slow]) == 0
    webhooks.record([posted(other)])
    assert states([key]) == {"DELIVERED"}
    assert Delivery.objects.get().tries == 1


def test_what_a_living_process_lists_stays_its_own_when_the_lease_ends_and_is_free_soon_after_its_death():
    slow, lost = born(customer(), URL, token=7), born(customer(), URL, token=8)
    process = new_id()
    webhooks.hold(process, [7, 2**62])
    Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    assert (states(slow), states(lost)) == ({"CLAIMED"}, {"PENDING"})
    ProcessLease.objects.update(expires_at=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    assert states(slow) == {"PENDING"}


def test_a_process_holds_what_it_told_last():
    ids = born(customer(), URL, token=7)
    process = new_id()
    webhooks.hold(process, [7])
    webhooks.hold(process, [9])
    Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    assert states(ids) == {"PENDING"}
    process_leases.let_go(process)
    assert not ProcessLease.objects.exists()
