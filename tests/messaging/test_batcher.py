"""The line before the intake: answers, fairness, limits, and an end to every wait."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import Code, Rejected, Unavailable
from messaging import batcher as module
from messaging.batcher import BATCH, LINE, SHARE, IntakeBatcher, Line, Waiting
from messaging.commands import Accepted, Replay
from messaging.models import Message
from tests.support import cast
from tests.support.intake import make_intake, request


class Gate:
    """An intake that answers when it is told to."""

    def __init__(self):
        self.open = threading.Event()
        self.batches = []
        self.suspects = set()
        self.fail = False

    def is_suspect(self, account_id):
        return account_id in self.suspects

    def submit_many(self, requests, *, caller):
        self.batches.append([item.account_id for item in requests])
        assert self.open.wait(20)
        if self.fail:
            raise RuntimeError("a defect")
        return [["done"] for _ in requests]


class FakeRequest:
    def __init__(self, account_id, size=1):
        self.account_id = account_id
        self.commands = [None] * size


async def settle(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is in a thread
            await asyncio.sleep(0.005)


async def test_what_waits_while_a_batch_is_in_flight_becomes_one_batch():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(50)]
    await settle(lambda: len(gate.batches) == 1)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [["done"]] * 50
    assert [len(batch) for batch in gate.batches] == [1, 49]
    assert await batcher.drain(5)


async def four_callers_answered(gate):
    """Callers alone, then three together; all four have their answers, and the gathering has begun."""
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(4)]
    await settle(lambda: batcher.waiting == 3)
    gate.open.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in gate.batches] == [1, 3]
    return batcher


async def test_after_a_batch_of_several_the_next_one_leaves_when_all_callers_are_back(monkeypatch):
    monkeypatch.setattr(module, "GATHER", 60.0)
    gate = Gate()
    batcher = await four_callers_answered(gate)
    back = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(2)]
    await settle(lambda: batcher.waiting == 2)
    assert len(gate.batches) == 2
    async with asyncio.timeout(10):
        await batcher.submit(FakeRequest(1))
        await asyncio.gather(*back)
    assert len(gate.batches[2]) == 3
    assert await batcher.drain(5)


async def test_callers_who_do_not_come_back_keep_nobody_waiting():
    gate = Gate()
    batcher = await four_callers_answered(gate)
    async with asyncio.timeout(10):
        await batcher.submit(FakeRequest(1))
    assert len(gate.batches[2]) == 1
    assert await batcher.drain(5)


async def test_a_whole_batch_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(module, "GATHER", 60.0)
    gate = Gate()
    batcher = await four_callers_answered(gate)
    async with asyncio.timeout(10):
        await batcher.submit(FakeRequest(1, BATCH))
    assert await batcher.drain(5)


async def test_a_second_batch_departs_beside_a_slow_one():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(50)]
    await settle(lambda: len(gate.batches) == 2)
    assert [len(batch) for batch in gate.batches] == [1, 49]
    gate.open.set()
    await asyncio.gather(*tasks)
    assert await batcher.drain(5)


async def test_a_caller_who_goes_away_has_submitted_all_the_same():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(5)]
    await settle(lambda: len(gate.batches) == 2)
    tasks[0].cancel()
    tasks[4].cancel()
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(*tasks[1:4]) == [["done"]] * 3
    assert sum(len(batch) for batch in gate.batches) == 5
    assert await batcher.drain(5)


async def test_a_full_line_says_busy_at_once():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = []
    for number in (1, 2):  # two batches are in flight, and no further one departs
        tasks.append(asyncio.create_task(batcher.submit(FakeRequest(number))))
        await settle(lambda: len(gate.batches) == number)  # noqa: B023 - awaited at once
    tasks += [asyncio.create_task(batcher.submit(FakeRequest(i))) for i in range(LINE)]
    await settle(lambda: batcher.waiting == LINE)
    with pytest.raises(Unavailable, match="busy"):
        await batcher.submit(FakeRequest(1))
    gate.open.set()
    await asyncio.gather(*tasks)
    assert max(len(batch) for batch in gate.batches) == BATCH
    assert await batcher.drain(5)


def waiting(loop, account, size=1):
    return Waiting(FakeRequest(account, size), loop.create_future())


async def test_one_account_may_not_fill_the_line():
    line, loop = Line(), asyncio.get_running_loop()
    assert sum(line.add(waiting(loop, 1)) for _ in range(LINE)) == SHARE
    assert line.add(waiting(loop, 2))


async def test_a_batch_takes_accounts_in_turns():
    line, loop = Line(), asyncio.get_running_loop()
    for _ in range(900):
        line.add(waiting(loop, 1))
    for _ in range(3):
        line.add(waiting(loop, 2))
    taken = [item.request.account_id for item in line.take(lambda _: True)]
    assert len(taken) == BATCH
    assert taken[:7] == [1, 2, 1, 2, 1, 2, 1]
    assert line.size == 603


async def test_requests_of_one_account_keep_their_order():
    line, loop = Line(), asyncio.get_running_loop()
    items = [waiting(loop, 1) for _ in range(10)]
    for item in items:
        line.add(item)
    assert line.take(lambda _: True) == items
    assert not line


async def test_a_bigger_request_goes_alone():
    line, loop = Line(), asyncio.get_running_loop()
    for size in (1, 900, 1):
        line.add(waiting(loop, size, size))
    line.add(waiting(loop, 900, 900))
    sizes = []
    while line:
        sizes.append([len(item.request.commands) for item in line.take(lambda _: True)])
    assert sorted(sizes, key=len) == [[900], [900], [1, 1]]
    assert line.size == 0


async def test_an_account_with_a_locked_wallet_flies_alone_and_holds_nobody():
    gate = Gate()
    gate.suspects = {7}
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(account))) for account in (7, 7, 1, 2, 7, 3)]
    await settle(lambda: len(gate.batches) == 3)
    gate.open.set()
    await asyncio.gather(*tasks)
    assert all(set(batch) == {7} or 7 not in batch for batch in gate.batches)
    assert await batcher.drain(5)


async def test_a_defect_of_ours_is_told_as_unavailable_and_the_line_goes_on():
    gate = Gate()
    gate.open.set()
    gate.fail = True
    batcher = IntakeBatcher(gate)
    batcher.start()
    with pytest.raises(Unavailable):
        await batcher.submit(FakeRequest(1))
    gate.fail = False
    assert await batcher.submit(FakeRequest(1)) == ["done"]
    assert await batcher.drain(5)


async def test_when_nothing_moves_those_in_line_and_in_flight_are_told(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    monkeypatch.setattr(module, "ANSWER", 0.3)
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    answers = await asyncio.gather(*(batcher.submit(FakeRequest(i)) for i in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert sum(len(batch) for batch in gate.batches) == 1  # what was not begun is not done later
    gate.open.set()
    assert await batcher.drain(5)


async def test_draining_takes_no_more_and_finishes_what_is_in_line():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    tasks = [asyncio.create_task(batcher.submit(FakeRequest(1))) for _ in range(10)]
    await settle(lambda: len(gate.batches) == 2)
    draining = asyncio.create_task(batcher.drain(10))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await batcher.submit(FakeRequest(1))
    gate.open.set()
    assert await draining
    assert await asyncio.gather(*tasks) == [["done"]] * 10


async def test_draining_gives_up_after_its_time():
    gate = Gate()
    batcher = IntakeBatcher(gate)
    batcher.start()
    task = asyncio.create_task(batcher.submit(FakeRequest(1)))
    await settle(lambda: gate.batches)
    assert not await batcher.drain(0.1)
    gate.open.set()
    assert await task == ["done"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.both
def test_singles_at_once_are_accepted_each_with_its_own_answer():
    who, poor = cast.customer("1000"), cast.customer("0")
    requests = [request(who, to=str(971500000000 + i)) for i in range(100)]
    extra = [request(poor), request(who, key="k"), request(who, key="k", body="other")]

    async def go():
        batcher = IntakeBatcher(make_intake())
        batcher.start()
        found = await asyncio.gather(*map(batcher.submit, requests))
        refused = await batcher.submit(extra[0])
        first = await batcher.submit(extra[1])
        again = await batcher.submit(extra[1])
        with pytest.raises(Rejected) as conflict:
            await batcher.submit(extra[2])
        assert await batcher.drain(10)
        return found, refused, first, again, conflict.value.code

    with ThreadPoolExecutor(1) as thread:
        found, refused, first, again, code = thread.submit(asyncio.run, go()).result(60)
    numbers = dict(Message.objects.values_list("id", "recipient"))
    assert [numbers[answer[0].message_id] for answer in found] == [item.commands[0].to for item in requests]
    assert refused[0].code == Code.NO_CREDIT
    assert isinstance(first[0], Accepted)
    assert again == Replay(first[0].public_id)
    assert code == Code.IDEMPOTENCY_CONFLICT
    assert who.balance == 1000 - 101
