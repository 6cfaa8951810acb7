"""How fast a connector is fed: TPS, what throttling teaches, lanes and their pauses; with a clock of our own."""

from uuid import UUID

import pytest

from common.pacer import Grant
from common.queues import Lane
from messaging.claims import ClaimedPart
from workers.binds.lanes import Body, Lanes
from workers.binds.pace import Meter, Pace
from workers.binds.ready import Ready


class Clock:
    """Monotonic seconds that only pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Tokens:
    """A pacer that grants what it was given."""

    def __init__(self, *grants: Grant) -> None:
        self.grants, self.asked = list(grants), []

    def take(self, key, rate, count, *, burst):
        self.asked.append((rate, count, round(burst, 3)))
        return self.grants.pop(0)


@pytest.fixture
def clock():
    return Clock()


def test_the_meter_forgets_after_ten_seconds(clock):
    meter = Meter(clock)
    meter.add(100)
    assert meter.rate == 100
    clock.now += 5
    assert meter.rate == 20
    assert meter.ahead == 1
    clock.now += 10
    assert meter.rate == 0


def test_tokens_are_taken_for_fifty_milliseconds_at_most_and_asked_for_again_when_due(clock):
    tokens = Tokens(Grant(5, 0.0), Grant(0, 0.2))
    pace = Pace("line", 100, tokens, clock)
    assert pace.allowed == 0
    pace.refill(50)
    assert tokens.asked == [(100, 5, 0.05)]
    pace.used(5)
    pace.refill(50)
    assert (pace.allowed, round(pace.wait, 3)) == (0, 0.2)
    assert not pace.wants(50)
    clock.now += 0.2
    assert pace.wants(50)


def test_without_limits_everything_is_allowed_at_once(clock):
    pace = Pace("line", 0, Tokens(), clock)
    assert not pace.limited
    assert not pace.wants(1000)
    assert pace.allowed >= 1000


def test_throttling_cuts_the_rate_to_seventy_percent_and_it_grows_back(clock):
    pace = Pace("line", 0, Tokens(), clock)
    for _ in range(10):
        pace.used(100)
        clock.now += 1
    pace.throttled()
    assert pace.ceiling == pytest.approx(70, rel=0.1)
    before = pace.ceiling
    pace.throttled()  # the answers to what was already in the window
    assert pace.ceiling == before
    clock.now += 1
    pace.throttled()
    assert pace.ceiling == pytest.approx(before * 0.7)
    low = pace.ceiling
    for _ in range(10):
        clock.now += 1
        pace.adapt()
    assert pace.ceiling > low * 1.3
    for _ in range(200):
        clock.now += 1
        pace.adapt()
    assert pace.ceiling is None


def test_a_learned_ceiling_is_earned_over_time(clock):
    pace = Pace("line", 0, Tokens(), clock)
    pace.used(1000)
    clock.now += 1
    pace.throttled()
    allowed = 0
    for _ in range(100):
        clock.now += 0.01
        allowed += pace.allowed
        pace.used(pace.allowed)
    assert allowed == pytest.approx(pace.ceiling, rel=0.1)


def ids(count, start=1):
    return [UUID(int=n << 60) for n in range(start, start + count)]


def body(lanes, lane, count, settled, start=1):
    from collections import deque

    lanes.add(lane, Body(deque(ids(count, start)), lambda done: settled.append((lane, done)), lanes._clock()))


def test_otp_is_picked_first_and_the_others_four_to_one(clock):
    lanes, settled = Lanes(clock), []
    for lane in (Lane.BULK, Lane.TRANSACTIONAL, Lane.OTP):
        body(lanes, lane, 100, settled)
    assert [lanes.pick() for _ in range(3)] == [(Lane.OTP, False)] * 3
    lanes.buffers[Lane.OTP].take(100).claimed()
    picked = [lanes.pick()[0] for _ in range(10)]
    assert picked.count(Lane.TRANSACTIONAL) == 8
    assert picked.count(Lane.BULK) == 2


def test_a_body_is_acked_when_its_last_id_is_claimed_and_not_before(clock):
    lanes, settled = Lanes(clock), []
    body(lanes, Lane.BULK, 10, settled)
    buffer = lanes.buffers[Lane.BULK]
    first, second = buffer.take(6), buffer.take(6)
    assert (len(first.ids), len(second.ids), lanes.waiting) == (6, 4, 0)
    second.claimed()
    assert settled == []
    first.claimed()
    assert settled == [(Lane.BULK, True)]


def test_ids_of_a_failed_claim_wait_again_in_their_order(clock):
    lanes, settled = Lanes(clock), []
    body(lanes, Lane.BULK, 4, settled)
    body(lanes, Lane.BULK, 4, settled, start=5)
    buffer = lanes.buffers[Lane.BULK]
    buffer.put_back(buffer.take(6))
    assert settled == []
    assert buffer.take(100).ids == ids(8)


def test_a_message_is_never_cut_between_two_claims(clock):
    from collections import deque

    from common.ids import derive, new_id

    lanes, message = Lanes(clock), new_id()
    parts = [derive(message, seq) for seq in range(1, 6)]
    lanes.add(Lane.BULK, Body(deque(parts), lambda done: None, clock()))
    assert lanes.buffers[Lane.BULK].take(2).ids == parts


def test_hints_are_given_back_when_nobody_used_them(clock):
    lanes, settled = Lanes(clock), []
    body(lanes, Lane.BULK, 3, settled)
    lanes.give_back(clock.now)
    assert settled == []
    lanes.give_back()
    assert settled == [(Lane.BULK, False)]
    assert lanes.pick() is None


def test_the_table_is_looked_into_when_hints_are_silent_and_now_and_then_in_any_case(clock):
    lanes, settled = Lanes(clock), []
    assert set(lanes.quiet()) == set(Lane)
    lanes.looked(Lane)
    body(lanes, Lane.BULK, 3, settled)
    assert set(lanes.quiet()) == {Lane.OTP, Lane.TRANSACTIONAL}
    clock.now += 16
    assert Lane.BULK in lanes.quiet()
    lanes.stir([Lane.BULK])
    assert lanes.pick() == (Lane.BULK, True)
    lanes.settled(Lane.BULK)
    assert lanes.pick() == (Lane.BULK, False)


def test_pauses_double_while_throttling_goes_on(clock):
    lanes, settled = Lanes(clock), []
    body(lanes, Lane.BULK, 3, settled)
    buffer = lanes.buffers[Lane.BULK]
    for expected in (1.0, 2.0, 4.0, 5.0):
        buffer.throttled(clock.now, 1.0, 5.0)
        assert lanes.pause_left() == pytest.approx(expected)
        assert lanes.pick() is None
        clock.now += expected
    assert not lanes.is_paused("bulk")
    clock.now += 60
    buffer.throttled(clock.now, 1.0, 5.0)
    assert lanes.pause_left() == pytest.approx(1.0)


def claimed(number, lane):
    values = dict.fromkeys(ClaimedPart.__dataclass_fields__)
    return ClaimedPart(**{**values, "part_id": UUID(int=number), "message_id": UUID(int=number), "lane": lane})


def test_what_was_thrown_back_goes_first_and_a_paused_lane_holds_up_no_other():
    paused = set()
    ready = Ready(lambda lane: lane in paused)
    ready.add([claimed(2, "bulk"), claimed(3, "bulk"), claimed(9, "transactional")])
    ready.put_back([claimed(1, "bulk")])
    paused.add("bulk")
    assert (len(ready), ready.writable) == (4, 1)
    assert ready.next().part_id.int == 9
    assert ready.next() is None
    paused.clear()
    assert [ready.next().part_id.int for _ in range(3)] == [1, 2, 3]
