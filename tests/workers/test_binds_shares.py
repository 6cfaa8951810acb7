"""Who gets the last slots and tokens: a share is for otp, and a long message gathers tokens for all its parts."""

from collections import deque
from types import SimpleNamespace
from uuid import UUID

import pytest

from common.pacer import Grant
from common.queues import Lane
from messaging.claims import ClaimedPart
from messaging.models import Part
from tests.support.waiting import wait_until
from tests.workers.bind_cast import scene
from workers.binds import writer as writing
from workers.binds.lanes import OTP_MEMORY, Body, Lanes
from workers.binds.pace import Pace
from workers.binds.ready import Ready
from workers.binds.report import Report
from workers.binds.writer import Writer


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Tokens:
    """A pacer that has `there` tokens."""

    there = 0

    def take(self, key, rate, count, *, burst):
        granted = min(count, self.there)
        self.there -= granted
        return Grant(granted, 0.0 if granted else 1 / rate)


class Link:
    """A session with so many free slots; `written` are the parts in order."""

    writable = True

    def __init__(self, free):
        self.written, self._free = [], free

    @property
    def session(self):
        return SimpleNamespace(free_slots=self._free)

    def submit(self, pdu, flight):
        self._free -= 1
        self.written += [(part.message_id.int, part.seq) for part in flight.parts]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def lanes(clock):
    return Lanes(clock)


@pytest.fixture
def ready():
    return Ready(lambda lane: False)


@pytest.fixture
def bind(lanes, ready, clock, tokens, monkeypatch):
    """Makes the writer of one bind of a connector."""
    monkeypatch.setattr(writing, "submit_sm", lambda *_, **__: object())
    flights = SimpleNamespace(began=lambda flight: None, failed=pytest.fail, not_written=pytest.fail)
    tenure = SimpleNamespace(holds=lambda fence: True)

    def make(*, pace, window=10, ready=ready):
        view = SimpleNamespace(window=window, long_messages="udh", name="line")
        shared = SimpleNamespace(
            view=view, ready=ready, flights=flights, pace=pace, tenure=tenure, report=Report(), lanes=lanes
        )
        return Writer(shared)

    return make


def parts(message, lane, total=1):
    values = dict.fromkeys(ClaimedPart.__dataclass_fields__)
    return [
        ClaimedPart(
            **{**values, "part_id": UUID(int=message * 100 + seq), "message_id": UUID(int=message), "seq": seq,
               "total": total, "lane": lane}
        )
        for seq in range(1, total + 1)
    ]  # fmt: skip


def heard(lanes, clock):
    lanes.add(Lane.OTP, Body(deque(), lambda done: None, clock.now))


def test_bulk_fills_the_window_where_no_otp_comes(lanes, ready, bind, clock):
    ready.add([part for n in range(1, 20) for part in parts(n, "bulk")])
    link = Link(10)
    bind(pace=Pace("line", 0, Tokens(), clock)).pump(link)
    assert len(link.written) == 10


def test_the_last_slots_are_otps_where_otp_comes(lanes, ready, bind, clock):
    heard(lanes, clock)
    ready.add([part for n in range(1, 40) for part in parts(n, "bulk")])
    link, writer = Link(20), bind(pace=Pace("line", 0, Tokens(), clock), window=20)
    writer.pump(link)
    assert len(link.written) == 18
    ready.add([part for n in range(50, 60) for part in parts(n, "otp")])
    writer.pump(link)
    assert link.written[18:] == [(50, 1), (51, 1)]


def test_the_share_ends_when_no_otp_came_for_long_and_a_small_window_has_none(lanes, clock):
    heard(lanes, clock)
    assert [lanes.otp_slots(window) for window in (1, 3, 4, 10, 100)] == [0, 0, 1, 1, 10]
    clock.now += OTP_MEMORY
    assert lanes.otp_slots(100) == 0


def test_the_last_token_is_otps(lanes, ready, bind, clock, tokens):
    heard(lanes, clock)
    pace, link = Pace("line", 5, tokens, clock), Link(10)
    pace.kept = 1
    writer = bind(pace=pace)
    ready.add([part for n in range(1, 4) for part in parts(n, "bulk")])
    tokens.there = 2
    pace.refill(5)
    writer.pump(link)
    assert (link.written, pace.tokens) == ([(1, 1)], 1)
    pace.refill(5)
    assert pace.wait > 0  # nobody asks a thousand times a second
    ready.add(parts(9, "otp"))
    writer.pump(link)
    assert (link.written, pace.tokens) == ([(1, 1), (9, 1)], 0)


def test_a_message_goes_when_the_tokens_of_all_its_parts_are_there(ready, bind, clock, tokens):
    pace, link = Pace("line", 10, tokens, clock), Link(10)
    writer = bind(pace=pace)
    ready.add([*parts(1, "transactional", 3), *parts(2, "transactional")])
    for _ in range(2):
        tokens.there = 1
        pace.refill(4)
        writer.pump(link)
        assert link.written == []
        clock.now += 0.1
    tokens.there = 1
    pace.refill(4)
    writer.pump(link)
    assert link.written == [(1, 1), (1, 2), (1, 3)]
    tokens.there = 1
    pace.refill(4)
    writer.pump(link)
    assert link.written[3:] == [(2, 1)]


def test_short_messages_of_another_lane_do_not_use_up_what_a_long_one_gathers(ready, bind, clock, tokens):
    pace, link = Pace("line", 10, tokens, clock), Link(20)
    writer = bind(pace=pace, window=20)
    ready.add([*parts(1, "bulk", 3), *(part for n in range(2, 30) for part in parts(n, "transactional"))])
    for _ in range(12):
        tokens.there = 1
        pace.refill(9)
        writer.pump(link)
        clock.now += 0.1
    assert [seq for message, seq in link.written if message == 1] == [1, 2, 3]


def test_no_more_than_a_seconds_worth_of_tokens_is_gathered(ready, bind, clock, tokens):
    pace, link = Pace("line", 2, tokens, clock), Link(10)
    ready.add(parts(1, "transactional", 5))
    writer = bind(pace=pace)
    for _ in range(2):
        assert link.written == []
        tokens.there = 1
        pace.refill(5)
        writer.pump(link)
    assert link.written == [(1, 1), (1, 2)]


def test_another_bind_does_not_take_the_tokens_that_are_gathered(bind, clock, tokens):
    pace, link, other = Pace("line", 10, tokens, clock), Link(10), Link(10)
    mine, theirs = Ready(lambda lane: False), Ready(lambda lane: False)
    first, second = bind(pace=pace, ready=mine), bind(pace=pace, ready=theirs)
    mine.add(parts(1, "transactional", 3))
    theirs.add([part for n in range(2, 9) for part in parts(n, "transactional")])
    for _ in range(3):
        tokens.there = 1
        pace.refill(4)
        first.pump(link)
        second.pump(other)
        clock.now += 0.1
    assert (link.written, other.written) == ([(1, 1), (1, 2), (1, 3)], [])
    tokens.there = 1
    pace.refill(4)
    second.pump(other)
    assert other.written == [(2, 1)]


def test_a_bind_without_a_session_gathers_no_tokens_and_the_others_long_messages_go(bind, clock, tokens):
    pace, link, other = Pace("line", 0, tokens, clock), Link(10), Link(10)
    pace.ceiling = 20.0  # learned: a bucket of one token, and what is gathered
    mine, theirs = Ready(lambda lane: False), Ready(lambda lane: False)
    first, second = bind(pace=pace, ready=mine), bind(pace=pace, ready=theirs)
    mine.add(parts(1, "transactional", 3))
    theirs.add(parts(2, "transactional", 4))
    clock.now += 0.06
    first.pump(link)
    mine.take_all()
    first.rest()
    for _ in range(5):
        clock.now += 0.06
        second.pump(other)
    assert (link.written, other.written) == ([], [(2, 1), (2, 2), (2, 3), (2, 4)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.both
def test_long_messages_and_otp_keep_to_a_small_tps_without_a_busy_loop():
    with scene(tps=20, window=5, simulator={"delay_ms": 60_000}) as found:
        found.send(content="code", traffic_class="otp")
        found.send_all([{"to": f"97150{n:07d}", "content": "x" * 400, "traffic_class": "bulk"} for n in range(8)])
        found.send(content="code", traffic_class="otp")
        wait_until(lambda: found.smsc.counters["submits"] == 26, timeout=8)
        times = sorted(m.at for m in found.smsc.messages)
        assert 0.9 < times[-1] - times[0] < 4
        numbers = [m.destination for m in found.smsc.messages if m.text != "code"]
        assert all(len(set(numbers[at : at + 3])) == 1 for at in range(0, 24, 3))
        assert not Part.objects.filter(status="QUEUED").exists()
