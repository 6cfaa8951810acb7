"""Who may write to the carrier: one owner at a time, with a growing fence, and no write after the deadline."""

import asyncio
import threading

import pytest
from django.db import connection

from connectors.models import BindLease, BindState
from messaging import leases
from messaging.models import Part
from tests.support.cast import make_connector
from tests.support.waiting import wait_until
from tests.workers.bind_cast import carrier, on_line, scene, state
from workers.binds import tenure
from workers.binds.tenure import LEASE_MARGIN, LEASE_SECONDS, Tenure
from workers.database import DatabaseThreads
from workers.embedded import Binds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def with_tenure(check, line, clock, **options):
    async def run():
        database, heard = DatabaseThreads(1), []
        held = Tenure(
            database, connector_id=line.pk, bind_no=1, owner="me", on_change=heard.append, clock=clock, **options
        )
        try:
            await check(held, heard)
        finally:
            await asyncio.to_thread(database.close)

    asyncio.run(run())


def test_writing_stops_before_the_lease_ends_in_the_database():
    clock, line = Clock(), make_connector()

    async def check(held, heard):
        await held._once()
        assert heard == [True]
        assert held.holds(held.fence)
        assert not held.holds(held.fence + 1)
        clock.now += LEASE_SECONDS - LEASE_MARGIN - 0.001
        assert held.held
        clock.now += 0.002
        assert not held.held

    with_tenure(check, line, clock)


def test_a_renewal_extends_from_the_moment_before_it_was_sent():
    clock, line = Clock(), make_connector()

    async def check(held, heard):
        await held._once()
        clock.now += 5
        await held._once()
        clock.now += LEASE_SECONDS - LEASE_MARGIN - 1
        assert held.held
        assert heard == [True]

    with_tenure(check, line, clock)


def test_a_lease_that_somebody_else_took_is_lost_and_the_fence_grows():
    clock, line = Clock(), make_connector()

    async def check(held, heard):
        await held._once()
        first = held.fence
        await asyncio.to_thread(take_over, line)
        await held._once()
        assert heard == [True, False]
        assert (held.fence, held.held) == (0, False)
        await asyncio.to_thread(end_lease, line)
        await held._once()
        assert heard == [True, False, True]
        assert held.fence == first + 2

    with_tenure(check, line, clock)


def take_over(line):
    end_lease(line)
    assert leases.acquire(line.pk, 1, "another")
    connection.close()


def end_lease(line):
    BindLease.objects.filter(connector=line).update(expires_at=None)
    connection.close()


def test_a_store_that_is_away_ends_the_tenure_in_time(monkeypatch):
    clock, line = Clock(), make_connector()

    async def check(held, heard):
        await held._once()

        def away(*_, **__):
            raise OSError("the store is away")

        monkeypatch.setattr(leases, "renew", away)
        monkeypatch.setattr(leases, "acquire", away)
        clock.now += 6
        await held._once()
        assert held.held
        clock.now += 6
        await held._once()
        assert not held.held
        assert heard == [True, False]

    with_tenure(check, line, clock)


def test_a_store_that_hangs_ends_the_tenure_at_the_deadline_and_its_late_yes_is_given_up(monkeypatch):
    clock, line = Clock(), make_connector()
    real, asked, answer = leases.renew, threading.Event(), threading.Event()

    def hangs(*args, **kwargs):
        done = real(*args, **kwargs)
        asked.set()
        assert answer.wait(10)
        return done

    monkeypatch.setattr(leases, "renew", hangs)

    async def check(held, heard):
        await held._once()
        clock.now += LEASE_SECONDS - LEASE_MARGIN - 0.05
        renewing = asyncio.create_task(held._once())
        await asyncio.to_thread(asked.wait, 10)
        await asyncio.to_thread(wait_until, lambda: len(heard) == 2)
        assert (heard, held.held) == ([True, False], False)
        answer.set()
        await renewing
        assert heard == [True, False, True]  # won anew, under the next fence
        assert held.fence == 2

    with_tenure(check, line, clock)


def test_of_two_workers_one_owns_the_bind_and_the_other_takes_over_when_it_dies(monkeypatch):
    monkeypatch.setattr(tenure, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(tenure, "LEASE_MARGIN", 0.5)
    monkeypatch.setattr(tenure, "RENEW_EVERY", 0.3)
    monkeypatch.setattr(tenure, "ASK_EVERY", 0.1)
    with carrier(answer_ms=60_000) as smsc, on_line(smsc, response_timeout=60) as found:
        second = Binds()
        second.start()
        try:
            doubtful = found.send(traffic_class="bulk")
            wait_until(lambda: smsc.counters["submits"] == 1)
            assert (found.binds.bound(), second.bound()) == (1, 0)
            before = BindLease.objects.get().fence
            kill(found.binds)
            wait_until(second.bound, timeout=5)
            assert BindLease.objects.get().fence > before
            assert state(doubtful) == "UNCERTAIN"
            smsc.configure(answer_ms=0)
            after = found.send(content="by the second")
            found.until_status(after, "DELIVERED")
        finally:
            second.stop()


def kill(binds):
    """As good as kill -9: nothing is released, nothing recorded, the sockets go."""
    service = binds._service

    def die():
        for runner in service._runners.values():
            for bind in runner.binds:
                for task in (*bind._tasks, bind._feeding, bind._results._task, bind._lines._task):
                    task.cancel()
                bind._link.connection.abort()
        service._runners.clear()
        service._stop.set()

    service._loop.call_soon_threadsafe(die)
    binds._thread.join(10)


def test_a_stopped_worker_gives_the_lease_up_at_once_and_says_so():
    with scene() as found:
        sent = found.send()
        found.until_status(sent, "DELIVERED")
        found.binds.stop()
        lease = BindLease.objects.get()
        assert lease.expires_at is None
        told = BindState.objects.get()
        assert (told.state, told.submitted) == ("stopped", 1)
        assert told.last_submit_at is not None
        assert told.last_receipt_at is not None


def test_a_stop_hands_back_what_was_not_written_and_waits_for_what_was():
    with scene(window=5, simulator={"answer_ms": 700}) as found:
        ids = found.send_all([{"to": f"97150{n:07d}", "content": f"m{n}"} for n in range(40)])
        wait_until(lambda: found.smsc.counters["submits"] >= 5)
        found.binds.stop()
        written = found.smsc.counters["submits"]
        assert written < 40
        states = [state(one) for one in ids]
        assert states.count("SUBMITTED") == written
        assert states.count("QUEUED") == 40 - written
        assert not Part.objects.exclude(attempts=0).exists()
