"""Leases: one owner a bind, a fence that grows, and doubt about what a dead owner left."""

from datetime import timedelta

import pytest

from connectors.models import BindLease
from messaging import leases
from messaging.models import Status
from tests.messaging.underway import Line, accepted, now, state_of
from tests.support.cast import customer

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def end(lease):
    BindLease.objects.filter(connector_id=lease.connector_id, bind_no=lease.bind_no).update(
        expires_at=now() - timedelta(seconds=1)
    )


@pytest.fixture
def cast():
    return customer()


def test_a_lease_has_one_owner(cast):
    first = leases.acquire(cast.connector.pk, 1, "a")
    assert first.fence == 1
    assert leases.acquire(cast.connector.pk, 1, "b") is None
    assert BindLease.objects.get().owner == "a"
    assert leases.acquire(cast.connector.pk, 2, "b").fence == 1


def test_a_lease_that_ended_goes_to_the_next_owner_with_a_higher_fence(cast):
    first = leases.acquire(cast.connector.pk, 1, "a")
    end(first)
    second = leases.acquire(cast.connector.pk, 1, "b")
    assert second.fence == first.fence + 1
    assert leases.acquire(cast.connector.pk, 1, "a") is None


def test_a_lease_lives_for_its_time_from_the_renewal(cast):
    lease = leases.acquire(cast.connector.pk, 1, "a", ttl=15)
    assert leases.renew(lease, ttl=60)
    left = BindLease.objects.get().expires_at - now()
    assert timedelta(seconds=50) < left < timedelta(seconds=61)


def test_a_lease_that_ended_cannot_be_renewed_even_if_it_is_free(cast):
    lease = leases.acquire(cast.connector.pk, 1, "a")
    end(lease)
    assert not leases.renew(lease)
    assert BindLease.objects.get().expires_at < now()


def test_the_former_owner_can_neither_renew_nor_release(cast):
    old = leases.acquire(cast.connector.pk, 1, "a")
    end(old)
    leases.acquire(cast.connector.pk, 1, "b")
    assert not leases.renew(old)
    assert not leases.release(old)
    assert BindLease.objects.get().owner == "b"


def test_a_released_lease_is_free_at_once_and_its_fence_still_grows(cast):
    first = leases.acquire(cast.connector.pk, 1, "a")
    assert leases.release(first)
    assert leases.acquire(cast.connector.pk, 1, "b").fence == 2


def test_only_the_owner_that_is_known_to_be_dead_is_taken_the_place_of(cast):
    first = leases.acquire(cast.connector.pk, 1, "a")
    assert leases.holder(cast.connector.pk, 1) == "a"
    assert leases.acquire(cast.connector.pk, 1, "b", instead_of="c") is None
    second = leases.acquire(cast.connector.pk, 1, "b", instead_of="a")
    assert second.fence == first.fence + 1
    assert not leases.renew(first)
    assert leases.acquire(cast.connector.pk, 1, "d", instead_of="a") is None
    assert leases.holder(cast.connector.pk, 9) == ""


def test_taking_over_makes_the_dead_owners_claims_uncertain(cast):
    message = accepted(cast)
    first = leases.acquire(cast.connector.pk, 1, "a")
    Line(cast.connector.pk, first.fence).claim()
    end(first)
    assert leases.acquire(cast.connector.pk, 1, "b").abandoned == 1
    assert state_of(message) == Status.UNCERTAIN


def test_a_sweep_finds_claims_whose_owner_is_gone_and_leaves_the_living_alone(cast):
    dead, living = leases.acquire(cast.connector.pk, 1, "a"), leases.acquire(cast.connector.pk, 2, "b")
    messages = []
    for lease in (dead, living):
        messages.append(accepted(cast))
        Line(cast.connector.pk, lease.fence, lease.bind_no).claim()
    end(dead)
    assert leases.sweep_ended() == 1
    assert [state_of(message) for message in messages] == [Status.UNCERTAIN, Status.SUBMITTING]
    assert leases.sweep_ended() == 0
