"""The number inside ids is leased: two living processes never share one, and nobody waits for it."""

import os
import time
from datetime import timedelta

import pytest

from common import ids, process_leases
from common.clock import utc_now
from common.models import ProcessLease
from common.process_number import PURPOSE, NumberKeeper
from tests.support.waiting import wait_until

both = pytest.mark.both


def process_of(value):
    return value.int >> 51 & 0x7FF


@pytest.fixture(autouse=True)
def unleased():
    yield
    ids.lend(0, float("-inf"))


@both
@pytest.mark.django_db
def test_each_process_has_a_number_of_its_own_and_keeps_it():
    keepers = [NumberKeeper() for _ in range(20)]
    assert all(keeper.renew() for keeper in keepers)
    numbers = [keeper._number for keeper in keepers]
    assert len(set(numbers)) == 20
    assert all(keeper.renew() for keeper in keepers)
    assert [keeper._number for keeper in keepers] == numbers
    assert set(numbers) <= set(range(ids.LEASABLE))


@both
@pytest.mark.django_db
def test_ids_are_drawn_by_the_number_while_it_is_leased():
    assert not ids.leased()
    assert process_of(ids.new_id()) >= ids.LEASABLE
    keeper = NumberKeeper()
    keeper.renew()
    assert ids.leased()
    assert process_of(ids.new_id()) == keeper._number
    keeper.free()
    assert process_of(ids.new_id()) >= ids.LEASABLE


@both
@pytest.mark.django_db
def test_a_number_is_another_process_only_after_its_lease_and_a_rest():
    assert process_leases.take_number(1, PURPOSE, 7, seconds=60, rest=10)
    assert not process_leases.take_number(2, PURPOSE, 7, seconds=60, rest=10)
    ProcessLease.objects.update(expires_at=utc_now() - timedelta(seconds=5))
    assert not process_leases.take_number(2, PURPOSE, 7, seconds=60, rest=10)
    assert process_leases.taken_numbers(PURPOSE, rest=10) == {7}
    ProcessLease.objects.update(expires_at=utc_now() - timedelta(seconds=11))
    assert process_leases.take_number(2, PURPOSE, 7, seconds=60, rest=10)
    assert not process_leases.take_number(1, PURPOSE, 7, seconds=60, rest=10)


@both
@pytest.mark.django_db
def test_who_lost_the_number_takes_another():
    keeper = NumberKeeper()
    keeper.renew()
    lost = keeper._number
    ProcessLease.objects.update(holds=[5])
    assert keeper.renew()
    assert keeper._number != lost


def test_a_lease_that_could_not_be_extended_ends_by_itself():
    factory = ids.IdFactory(2000)
    factory.lend(3, time.monotonic() + 100)
    assert process_of(factory.draw()) == 3
    before = factory.draw()
    factory.lend(3, time.monotonic() - 1)
    after = factory.draw()
    assert process_of(after) == 2000
    assert before < after


@pytest.mark.django_db(transaction=True)
def test_the_thread_takes_a_number_and_gives_it_back():
    keeper = NumberKeeper()
    keeper.start()
    wait_until(ids.leased)
    keeper.stop()
    assert not ids.leased()
    assert ProcessLease.objects.get().expires_at <= utc_now() + timedelta(seconds=1)


def test_a_forked_child_draws_none_of_its_parents_ids():
    ids.new_id()  # there are random bits in store
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(ids.new_id().bytes for _ in range(100)))
        os._exit(0)
    mine = {ids.new_id().int & (1 << 62) - 1 for _ in range(100)}
    os.waitpid(child, 0)
    told = os.read(reader, 1600)
    theirs = {int.from_bytes(told[at : at + 16], "big") & (1 << 62) - 1 for at in range(0, 1600, 16)}
    os.close(reader)
    os.close(writer)
    assert len(theirs) == 100
    assert not mine & theirs  # process and random bits: the time alone would tell most of them apart
