"""Claiming: a row belongs to one bind at a time, and queues are only hints."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from common.ids import derive
from messaging import claims
from messaging.models import OutboxBatch, Part, Status
from tests.messaging.underway import accepted, bind, now, part_of, state_of
from tests.support.cast import customer, make_connector

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def test_a_claim_brings_all_that_a_bind_needs():
    cast = customer()
    message = accepted(cast, parts=2, udh="050003010201", tlvs={"x": 1}, reference=7, flash=True, content="Grüße")
    found = bind(cast).claim()
    first = found[0]
    assert [part.seq for part in found] == [1, 2]
    assert (first.part_id, first.message_id, first.total) == (derive(message.id, 1), message.id, 2)
    assert (first.sender, first.recipient, first.content) == ("GATEWAY", "971501234567", "Grüße")
    assert (first.udh, first.tlvs, first.reference, first.flash) == ("050003010201", {"x": 1}, 7, True)
    assert first.expires_at == message.expires_at
    assert (first.attempts, first.possible_duplicate, first.lane) == (0, False, "transactional")


def test_a_claim_marks_the_row_with_its_owner():
    cast = customer()
    message = accepted(cast)
    line = bind(cast, bind_no=3)
    line.claim()
    part = part_of(message)
    assert (part.status, part.bind_no, part.fence) == (Status.SUBMITTING, 3, line.fence)
    assert abs(part.claimed_at - now()) < timedelta(seconds=10)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.SCHEDULED},
        {"status": Status.CANCELLED},
        {"status": Status.SUBMITTED},
        {"expires_at": now() - timedelta(seconds=1)},
        {"lane": "bulk"},
    ],
)
def test_what_is_not_waiting_for_this_lane_is_dropped_from_both_paths(fields):
    cast = customer()
    message = accepted(cast, **fields)
    before = part_of(message).status
    line = bind(cast)
    assert line.claim([derive(message.id, 1)]) == []
    assert line.claim() == []
    assert state_of(message) == before


def test_a_part_that_was_rerouted_is_not_claimed_by_a_stale_body():
    cast = customer()
    message = accepted(cast, connector_id=make_connector().pk)
    assert bind(cast).claim([derive(message.id, 1)]) == []


def test_the_table_gives_the_oldest_first_and_no_more_than_asked():
    cast = customer()
    messages = [accepted(cast) for _ in range(5)]
    line = bind(cast)
    assert [part.message_id for part in line.claim(limit=3)] == [message.id for message in messages[:3]]
    assert [part.message_id for part in line.claim(limit=3)] == [message.id for message in messages[3:]]
    assert line.claim(limit=3) == []


def test_a_limit_holds_for_ids_too():
    cast = customer()
    ids = [derive(accepted(cast).id, 1) for _ in range(5)]
    assert len(bind(cast).claim(ids, limit=2)) == 2
    assert Part.objects.filter(status=Status.QUEUED).count() == 3


def test_the_same_ids_twice_are_claimed_once():
    cast = customer()
    ids = [derive(accepted(cast).id, 1) for _ in range(3)]
    line = bind(cast)
    assert len(line.claim(ids + ids)) == 3
    assert line.claim(ids) == []


def test_the_living_owner_hands_back_and_the_queue_hears_of_it():
    cast = customer()
    message = accepted(cast)
    line = bind(cast)
    line.claim()
    back = claims.hand_back(
        [derive(message.id, 1)], connector_id=line.connector_id, bind_no=line.bind_no, fence=line.fence
    )
    part = part_of(message)
    assert back == {part.id}
    assert (part.status, part.fence, part.claimed_at, part.attempts) == (Status.QUEUED, None, None, 0)
    assert OutboxBatch.objects.get().parts == part.id.hex


def test_a_stale_fence_hands_nothing_back():
    cast = customer()
    message = accepted(cast)
    line = bind(cast)
    line.claim()
    owner = {"connector_id": line.connector_id, "bind_no": line.bind_no}
    assert claims.hand_back([derive(message.id, 1)], **owner, fence=line.fence - 1) == set()
    assert state_of(message) == Status.SUBMITTING
    assert not OutboxBatch.objects.exists()


def test_an_abandoned_part_is_uncertain_for_as_long_as_its_lane_says():
    cast = customer()
    messages = {lane: accepted(cast, lane=lane) for lane in ("otp", "transactional", "bulk")}
    for lane in messages:
        bind(cast, bind_no={"otp": 1, "transactional": 2, "bulk": 3}[lane], lane=lane).claim()
    for bind_no in (1, 2, 3):
        assert claims.abandon(connector_id=cast.connector.pk, bind_no=bind_no, fence_below=99) == 1
    waits = {lane: part_of(message).uncertain_until - now() for lane, message in messages.items()}
    assert timedelta(seconds=0) < waits["otp"] < timedelta(seconds=3)
    assert timedelta(seconds=5) < waits["transactional"] < timedelta(seconds=11)
    assert part_of(messages["bulk"]).uncertain_until == messages["bulk"].expires_at


def test_the_claims_of_the_present_owner_are_not_abandoned():
    cast = customer()
    message = accepted(cast)
    line = bind(cast)
    line.claim()
    assert claims.abandon(connector_id=line.connector_id, bind_no=line.bind_no, fence_below=line.fence) == 0
    assert state_of(message) == Status.SUBMITTING


@pytest.mark.django_db(transaction=True)
def test_two_claimers_at_once_never_share_a_row():
    cast = customer(credits="1000")
    for _ in range(60):
        accepted(cast)
    lines = [bind(cast, bind_no=number) for number in (1, 2, 3)]
    start, taken = threading.Barrier(3), []

    def work(line):
        try:
            start.wait()
            while parts := line.claim(limit=7):
                taken.extend(part.part_id for part in parts)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60
