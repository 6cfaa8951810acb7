"""No bind for too long: what waits goes to the next connector of its route, in order and untouched."""

import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.ids import derive
from common.queues import Lane
from messaging import failover
from messaging.models import Attempt, MessageEvent, OutboxBatch, Part, Status
from tests.messaging.failing_over import LIMIT, limit, over, seen_bound
from tests.messaging.underway import (
    accepted,
    bind,
    now,
    part_of,
    state_of,
)
from tests.support.cast import make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


class TestWithoutABind:
    @pytest.fixture(autouse=True)
    def _limits(self, cast):
        limit(cast.connector, failover_after=LIMIT)

    def test_what_waits_goes_to_the_next_connector_in_order_and_untouched(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        messages = [over(cast, second) for _ in range(5)]
        before = cast.balance
        assert failover.leave_down_lines() == 5
        assert failover.leave_down_lines() == 0
        assert [part.message_id for part in bind(cast, connector_id=second.pk).claim()] == [m.id for m in messages]
        part = part_of(messages[0])
        assert (part.connector_id, part.hop, part.attempts, part.possible_duplicate) == (second.pk, 1, 0, False)
        assert cast.balance == before
        assert MessageEvent.objects.filter(kind="rerouted", message_id=messages[0].id).count() == 1
        assert {batch.connector_id for batch in OutboxBatch.objects.all()} == {second.pk}
        assert not Attempt.objects.exists()

    @pytest.mark.parametrize("ago", [0, LIMIT - 5])
    def test_a_short_absence_moves_nothing(self, cast, second, ago):
        seen_bound(cast.connector, ago=ago)
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        assert part_of(message).connector_id == cast.connector.pk

    def test_one_bind_of_several_is_enough(self, cast, second):
        seen_bound(cast.connector, ago=1000)
        seen_bound(cast.connector, ago=1, bind_no=2)
        over(cast, second)
        assert failover.leave_down_lines() == 0

    def test_a_connector_that_never_bound_is_down_since_it_was_made(self, cast, second):
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        type(cast.connector).objects.update(created_at=now() - timedelta(seconds=LIMIT + 5))
        assert failover.leave_down_lines() == 1
        assert part_of(message).connector_id == second.pk

    def test_without_the_option_messages_wait(self, cast, second):
        limit(cast.connector, failover_after=0)
        seen_bound(cast.connector, ago=100_000)
        message = over(cast, second)
        assert failover.leave_down_lines() == 0
        assert part_of(message).connector_id == cast.connector.pk

    def test_the_next_one_that_is_down_or_switched_off_is_passed_over(self, cast, second):
        third, fourth = make_connector(), make_connector()
        limit(second, failover_after=LIMIT)
        limit(third, active=False)
        for line in (cast.connector, second):
            seen_bound(line, ago=LIMIT + 5)
        message = over(cast, second, third, fourth)
        assert failover.leave_down_lines() == 1
        assert (part_of(message).connector_id, part_of(message).hop) == (fourth.pk, 3)

    def test_what_has_no_other_way_waits_and_stops_nobody(self, cast, second, monkeypatch):
        monkeypatch.setattr(failover, "PASS", 2)
        seen_bound(cast.connector, ago=LIMIT + 5)
        alone = [accepted(cast) for _ in range(4)]
        other = over(cast, second)
        assert failover.leave_down_lines() == 1
        assert part_of(other).connector_id == second.pk
        assert {part_of(message).connector_id for message in alone} == {cast.connector.pk}

    @pytest.fixture
    def _many(self, monkeypatch):
        """Three without another connector are many."""
        monkeypatch.setattr(failover, "PASS", 2)
        monkeypatch.setattr(failover, "MANY", 3)

    @pytest.mark.usefixtures("_many")
    def test_many_without_another_way_are_looked_through_once_not_at_every_tick(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        alone = [accepted(cast) for _ in range(7)]
        assert failover.leave_down_lines() == 0
        with CaptureQueriesContext(connection) as asked:
            assert failover.leave_down_lines() == 0
        walks = [query for query in asked if 'FROM "messaging_part"' in query["sql"]]
        assert len(walks) == len(Lane)
        later = over(cast, second)
        assert failover.leave_down_lines() == 1
        assert part_of(later).connector_id == second.pk
        assert {part_of(message).connector_id for message in alone} == {cast.connector.pk}

    @pytest.mark.usefixtures("_many")
    def test_behind_many_another_connector_that_opens_is_seen_at_the_next_tick(self, cast, second):
        limit(second, active=False)
        seen_bound(cast.connector, ago=LIMIT + 5)
        messages = [over(cast, second) for _ in range(4)]
        assert failover.leave_down_lines() == 0
        limit(second, active=True)
        assert failover.leave_down_lines() == 4
        assert {part_of(message).connector_id for message in messages} == {second.pk}

    @pytest.mark.usefixtures("_many")
    @pytest.mark.parametrize(
        ("alone", "lane", "later", "found"),
        [
            (2, "transactional", 0.0, 1),
            (4, "transactional", 0.0, 0),
            (4, "otp", 0.0, 1),
            (4, "transactional", failover.AGAIN + 1, 1),
        ],
        ids=["beside few at once", "beside many within a minute", "otp at once", "beside many after a minute"],
    )
    def test_what_comes_back_with_a_lower_id_is_found(self, cast, second, monkeypatch, alone, lane, later, found):
        seen_bound(cast.connector, ago=LIMIT + 5)
        message = over(cast, second, lane=lane)
        Part.objects.filter(message_id=message.id).update(status=Status.SUBMITTING)
        for _ in range(alone):
            over(cast, lane=lane)
        assert failover.leave_down_lines() == 0
        Part.objects.filter(message_id=message.id).update(status=Status.QUEUED)
        begun = time.monotonic()
        monkeypatch.setattr(failover, "time", SimpleNamespace(monotonic=lambda: begun + later))
        assert failover.leave_down_lines() == found

    def test_every_lane_leaves_otp_first(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        for lane in ("bulk", "transactional", "otp"):
            over(cast, second, lane=lane)
        assert failover.leave_down_lines() == 3
        assert [batch.lane for batch in OutboxBatch.objects.order_by("id")] == ["otp", "transactional", "bulk"]

    def test_a_tick_ends_when_its_time_is_up_and_the_next_one_goes_on(self, cast, second, monkeypatch):
        monkeypatch.setattr(failover, "PASS", 2)
        seen_bound(cast.connector, ago=LIMIT + 5)
        for _ in range(5):
            over(cast, second)
        monkeypatch.setattr(failover, "BUDGET", 0.0)
        assert failover.leave_down_lines() == 0
        monkeypatch.setattr(failover, "BUDGET", 20.0)
        assert failover.leave_down_lines() == 5

    def test_only_the_missing_parts_of_a_message_go_over_the_next_connector(self, cast, second):
        line = bind(cast)
        message = over(cast, second, parts=3)
        line.claim([derive(message.id, 1)])
        line.answer(message, seq=1)
        line.claim([derive(message.id, 2)])  # on its way: nobody knows of it but its bind
        seen_bound(cast.connector, ago=LIMIT + 5)
        assert failover.leave_down_lines() == 1
        assert [part_of(message, seq).connector_id for seq in (1, 2, 3)] == [line.connector_id] * 2 + [second.pk]
        assert [state_of(message, seq) for seq in (1, 2)] == [Status.SUBMITTED, Status.SUBMITTING]

    def test_a_bind_that_comes_back_cannot_claim_what_has_gone(self, cast, second):
        seen_bound(cast.connector, ago=LIMIT + 5)
        message = over(cast, second)
        failover.leave_down_lines()
        assert bind(cast).claim([derive(message.id, 1)]) == []
        assert state_of(message) == Status.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_claim_at_the_same_moment_and_the_failover_never_both_have_a_part(cast, second):
    limit(cast.connector, failover_after=LIMIT)
    seen_bound(cast.connector, ago=LIMIT + 5)
    messages = [over(cast, second) for _ in range(60)]
    line, claimed = bind(cast), []

    def claim():
        try:
            while found := line.claim(limit=7):
                claimed.extend(part.message_id for part in found)
        finally:
            connection.close()

    thread = threading.Thread(target=claim)
    thread.start()
    moved = failover.leave_down_lines()
    thread.join()
    moved += failover.leave_down_lines()
    assert moved + len(claimed) == len(messages)
    assert Part.objects.filter(connector=second, status=Status.QUEUED).count() == moved
    assert Part.objects.filter(connector=cast.connector, status=Status.SUBMITTING).count() == len(claimed)
