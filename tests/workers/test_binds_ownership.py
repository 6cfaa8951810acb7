"""Who follows a killed process on the same machine need not wait for the end of its lease; nobody else is robbed."""

import asyncio
import os
import subprocess
import sys

import pytest

from connectors.models import BindLease
from messaging import leases
from tests.support.cast import make_connector
from workers.binds import ownership
from workers.binds.tenure import Tenure
from workers.database import DatabaseThreads

LIVES = "from workers.binds import ownership; print(ownership.marked('first'), flush=True); input()"


@pytest.fixture
def process():
    """A process that has said under which name it holds its leases."""
    child = subprocess.Popen([sys.executable, "-c", LIVES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child.mark = child.stdout.readline().strip()
    yield child
    child.kill()
    child.communicate()


def test_a_process_is_dead_when_it_was_killed_and_not_before(process):
    assert not ownership.surely_dead(process.mark)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has buried it yet
    assert ownership.surely_dead(process.mark)
    process.wait()
    assert ownership.surely_dead(process.mark)


def test_a_later_process_with_the_same_pid_is_another_one():
    mark = ownership.marked("me")
    began = mark.rpartition("|")[2].split(".")[1]
    assert not ownership.surely_dead(mark)
    assert ownership.surely_dead(mark.replace(f".{began}.", f".{int(began) - 1}."))


@pytest.mark.parametrize("owner", ["", "somewhere:4711:abc", "first|4711.99.0123456789ab"])
def test_nothing_is_known_of_other_machines(owner):
    assert not ownership.surely_dead(owner)


def test_the_longest_name_of_a_machine_fits_into_the_lease():
    assert len(ownership.marked("x" * 64 + ":4194304:a1b2c3")) <= BindLease._meta.get_field("owner").max_length


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_the_lease_of_a_killed_process_is_taken_over_at_once_and_that_of_a_living_one_never(process):
    line = make_connector()
    first = leases.acquire(line.pk, 1, process.mark)

    async def takes() -> int:
        database = DatabaseThreads(1)
        held = Tenure(database, connector_id=line.pk, bind_no=1, owner="second", on_change=lambda _: None)
        try:
            await held._once()
            return held.fence
        finally:
            await asyncio.to_thread(database.close)

    assert asyncio.run(takes()) == 0
    process.kill()
    process.wait()
    assert asyncio.run(takes()) == first.fence + 1
