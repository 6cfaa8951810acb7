"""Deliveries are claimed once, for a time, by one loop; results of a lost claim change nothing."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from common.clock import utc_now
from messaging import due as due_rows
from messaging import webhooks
from messaging.due import Skip
from messaging.models import Delivery, DeliveryAttempt
from tests.support.cast import customer, make_endpoint
from tests.support.webhooks import BODY, claim, due, posted, states

URL = "https://customer.example/dlr"
both = pytest.mark.both


@both
@pytest.mark.django_db
def test_a_claim_brings_what_a_post_needs_and_nobody_claims_it_again():
    cast = customer(client={"webhook_secret": "whsec_AAAA"})
    [key] = due(cast, URL)
    [claimed] = claim([key])
    assert (claimed.id, claimed.url, claimed.body, claimed.tries) == (key, URL, BODY, 0)
    assert (claimed.account_id, claimed.secret) == (cast.account.pk, "whsec_AAAA")
    assert claim([key]) == []
    assert states([key]) == {"CLAIMED"}


@both
@pytest.mark.django_db
def test_only_what_is_due_and_has_a_url_is_claimed():
    cast = customer()
    later = due(cast, URL, next_try_at=utc_now() + timedelta(seconds=30))
    done = due(cast, URL, state="DELIVERED")
    on_a_bind = due(cast, "", next_try_at=utc_now())
    assert claim(later + done + on_a_bind) == []
    assert claim([]) == []
    assert due_rows.named(later + done + on_a_bind) == []
    assert due_rows.scan(after=None, skip=Skip(), limit=10).found == []


@both
@pytest.mark.django_db
def test_the_endpoints_own_secret_goes_before_the_clients():
    cast = customer(client={"webhook_secret": "whsec_AAAA"})
    endpoint = make_endpoint(cast.account, URL, secret="whsec_BBBB")
    blank = make_endpoint(cast.account, URL, secret="")
    ids = due(cast, URL, endpoint=endpoint) + due(cast, URL, endpoint=blank) + due(cast, URL, api_client=None)
    secrets = {claimed.id: claimed.secret for claimed in claim(ids)}
    assert [secrets[key] for key in ids] == ["whsec_BBBB", "whsec_AAAA", ""]


@both
@pytest.mark.django_db(transaction=True)
def test_of_loops_that_race_for_the_same_rows_each_row_has_one_winner():
    ids = due(customer(), URL, 200)
    won, start = [], threading.Barrier(4)

    def race():
        start.wait()
        won.extend(claimed.id for claimed in claim(ids))
        connections.close_all()

    racers = [threading.Thread(target=race) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert set(won) <= set(ids)
    assert len(won) == len(set(won))
    assert len(won) + len(claim(ids)) == len(ids)  # a row that was locked is left for the next look


@both
@pytest.mark.django_db
def test_a_taken_delivery_is_done_and_leaves_no_attempt():
    [key] = due(customer(), URL)
    webhooks.record([posted(*claim([key]))])
    row = Delivery.objects.get(pk=key)
    assert (row.state, row.tries, row.last_code, row.next_try_at, row.lease_until) == ("DELIVERED", 1, 200, None, None)
    assert row.done_at is not None
    assert not DeliveryAttempt.objects.exists()


@both
@pytest.mark.django_db
def test_a_failed_try_is_kept_and_the_next_one_is_planned():
    [key] = due(customer(), URL)
    before = utc_now()
    webhooks.record([posted(*claim([key]), code=None, error="timeout: TimeoutError")])
    row = Delivery.objects.get(pk=key)
    assert (row.state, row.tries, row.last_code, row.last_error) == ("PENDING", 1, None, "timeout: TimeoutError")
    assert before + timedelta(seconds=4) <= row.next_try_at <= utc_now() + timedelta(seconds=6)
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.delivery_id, attempt.number, attempt.code, attempt.milliseconds) == (key, 1, None, 12)
    assert claim([key]) == []


@both
@pytest.mark.django_db
def test_the_result_of_a_lost_lease_changes_nothing():
    [key] = due(customer(), URL)
    [late] = claim([key])
    Delivery.objects.update(lease_until=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    [again] = claim([key])
    webhooks.record([posted(late, 500, "HTTP 500")])
    assert states([key]) == {"CLAIMED"}
    assert webhooks.give_back([late]) == 0
    webhooks.record([posted(again)])
    webhooks.record([posted(again, 500, "HTTP 500")])
    assert states([key]) == {"DELIVERED"}
    assert Delivery.objects.get().tries == 1
    assert not DeliveryAttempt.objects.exists()


@both
@pytest.mark.django_db
def test_only_ended_leases_are_released_and_no_try_is_used_up():
    ids = due(customer(), URL, 2)
    claim(ids)
    Delivery.objects.filter(pk=ids[0]).update(lease_until=utc_now() - timedelta(seconds=1))
    assert webhooks.release_stale() == 1
    assert [claimed.id for claimed in claim(ids)] == [ids[0]]
    assert webhooks.release_stale() == 0
    assert set(Delivery.objects.values_list("tries", flat=True)) == {0}


@both
@pytest.mark.django_db
def test_what_is_given_back_is_due_at_once_with_all_its_tries():
    ids = due(customer(), URL, 3)
    assert webhooks.give_back(claim(ids)) == 3
    assert [claimed.tries for claimed in claim(ids)] == [0, 0, 0]
    assert webhooks.give_back([]) == 0


@both
@pytest.mark.django_db
def test_windows_go_through_all_that_is_due_also_when_all_have_one_date():
    moment = utc_now() - timedelta(seconds=5)
    ids = due(customer(), URL, 25, next_try_at=moment)
    found, after, looks = [], None, 0
    while True:
        window = due_rows.scan(after=after, skip=Skip(), limit=4, window=10)
        found += [item.id for item in window.found]
        after, looks = window.end, looks + 1
        if after is None:
            break
    assert sorted(found) == sorted(ids)
    assert looks == 7


@both
@pytest.mark.django_db
def test_full_endpoints_are_skipped_whatever_their_query_and_the_window_moves_past_them():
    cast = customer()
    due(cast, "https://full.example/dlr?n={n}", 12, next_try_at=utc_now() - timedelta(seconds=9))
    [other] = due(cast, "https://full.example/dlr2")
    skip = Skip(["https://full.example/dlr"])
    first = due_rows.scan(after=None, skip=skip, limit=5, window=10)
    assert first.found == []
    assert first.end is not None
    second = due_rows.scan(after=first.end, skip=skip, limit=5, window=10)
    assert [item.id for item in second.found] == [other]
    assert second.end is None


@both
@pytest.mark.django_db
def test_a_customer_without_room_is_skipped_but_for_trusted_endpoints():
    greedy, modest = customer(), customer()
    due(greedy, "https://greedy.example/{n}", 3)
    [trusted] = due(greedy, "https://good.example/dlr?x=1")
    [other] = due(modest, "https://modest.example/")
    skip = Skip(accounts=[greedy.account.pk], trusted=["https://good.example/dlr"])
    assert {item.id for item in due_rows.scan(after=None, skip=skip, limit=9).found} == {trusted, other}
    skip = Skip(strangers=True, trusted=["https://good.example/dlr"])
    assert [item.id for item in due_rows.scan(after=None, skip=skip, limit=9).found] == [trusted]


def _plan(sql):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
        return "\n".join(row[0] for row in cursor.fetchall())


def _partitions(plan):
    return set(re.findall(r" on (messaging_delivery_\d+|messaging_delivery_default)\b", plan))


@pytest.mark.django_db
def test_statements_that_know_their_ids_look_into_no_other_partition():
    ids = due(customer(), URL, 3)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        claimed = claim(ids)
        webhooks.give_back(claimed)
        webhooks.record([posted(item) for item in claim(ids)])
    updates = [query["sql"] for query in queries if "UPDATE messaging_delivery" in query["sql"]]
    assert len(updates) == 4
    for sql in updates:
        assert len(_partitions(_plan(sql))) == 1, _plan(sql)


@pytest.mark.django_db
def test_looks_at_the_table_use_the_index_of_what_is_pending_with_a_bound():
    with CaptureQueriesContext(connection) as queries:
        due_rows.scan(after=None, skip=Skip(), limit=9)
        due(customer(), URL)
        end = due_rows.scan(after=None, skip=Skip(), limit=1, window=1).end
        due_rows.scan(after=end, skip=Skip([URL], [1], trusted=[URL]), limit=9)
    looks = [query["sql"] for query in queries if "rows_seen" in query["sql"]]
    assert len(looks) == 3
    for sql in looks:
        plan = _plan(sql)
        assert "Seq Scan" not in plan
        assert len(re.findall(r"Index Scan using \w+next_try_at\w*", plan)) == len(_partitions(plan)), plan
        assert "Index Cond: (next_try_at <=" in plan.replace("((next_try_at", "(next_try_at"), plan
