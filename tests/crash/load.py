"""The load: senders at a steady rate and the customer's webhook, in one thread beside the nemesis."""

import asyncio
import bisect
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.faults import Answer
from tests.crash.journal import Journal
from tests.crash.senders import Sender
from tests.crash.sink import Sink
from tests.crash.texts import Text, Writer

# kind: how often of 100 requests
MIX = {"single": 50, "keyed": 30, "keyed-list": 7, "list": 4, "bad-number": 4, "stranger": 2, "poor": 3}
LIST = (2, 8)  # messages in a list
MESSAGES_A_REQUEST = 1.4  # of the mix above
UNDER_WAY = 400  # requests without an answer beyond which no more are begun: customers are not endless


@dataclass(slots=True)
class Record:
    """One message that was sent; times are monotonic."""

    number: int
    sent_at: float
    acknowledged_at: float = 0.0
    told_at: float = 0.0
    ids: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the customers send, and as whom."""

    url: str
    key: str
    poor_key: str
    sink_port: int


class Load:
    """Runs from `start` until `stop`; everything public may be called from any thread."""

    def __init__(self, place: Path, doors: Doors, *, seed: int, rate: float) -> None:
        self._doors, self.rate = doors, rate
        self._dice = random.Random(f"load {seed}")
        self._writer = Writer(random.Random(f"texts {seed}"))
        self._senders_journal = Journal(place / "senders.jsonl")
        self._told_journal = Journal(place / "webhooks.jsonl")
        self._sink = Sink(self._told_journal, self._told)
        self._records: list[Record] = []
        self._starts: list[float] = []
        self._by_number: dict[int, Record] = {}
        self._by_id: dict[str, Record] = {}
        self._early: dict[str, float] = {}
        self._answers: list[tuple[float, Answer]] = []
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._pump: asyncio.Task[None] | None = None
        self.acknowledged = self.told = self.refused = self.held_back = 0
        self.statuses: Counter[int] = Counter()

    # -- life

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()
        self._run(self._open())
        self._run(self._begin())

    def stop_sending(self) -> None:
        """No new request; those under way are answered or given up."""
        self._run(self._finish(), timeout=400)

    def stop(self) -> None:
        """Hang up, also in the middle of sending; the journals are complete."""
        try:
            self._run(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._senders_journal.close()
            self._told_journal.close()

    def _run(self, deed: Coroutine[Any, Any, Any], timeout: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(deed, self._loop).result(timeout)

    async def _open(self) -> None:
        common = {
            "url": self._doors.url, "journal": self._senders_journal, "dice": self._dice,
            "on_accepted": self._accepted, "on_answer": self._answered,
        }  # fmt: skip
        self._customer = Sender(key=self._doors.key, who="crash", **common)
        self._poor = Sender(key=self._doors.poor_key, who="poor", **common)
        self._stranger = Sender(key="gwk_nobody-has-this-key-0000", who="stranger", **common)
        for sender in (self._customer, self._poor, self._stranger):
            await sender.open()
        await self._sink.start(self._doors.sink_port)

    async def _begin(self) -> None:
        self._pump = asyncio.create_task(self._send_for_ever())

    async def _finish(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _close(self) -> None:
        left = [*self._tasks, *([self._pump] if self._pump is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for sender in (self._customer, self._poor, self._stranger):
            await sender.close()
        await self._sink.stop()

    # -- sending

    async def _send_for_ever(self) -> None:
        due = time.monotonic()
        while True:
            due += self._dice.expovariate(self.rate / MESSAGES_A_REQUEST)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if due < time.monotonic() - 5:  # the machine stood still: no flood afterwards
                due = time.monotonic()
            if len(self._tasks) >= UNDER_WAY:
                self.held_back += 1
                continue
            task = asyncio.create_task(self._one(self._dice.choices(list(MIX), list(MIX.values()))[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, kind: str) -> None:
        count = self._dice.randint(*LIST) if kind.endswith("list") else 1
        if kind == "bad-number":
            await self._customer.send([self._writer.bad_number()], keyed=False)
            return
        texts = [self._writer.text() for _ in range(count)]
        if kind == "stranger":
            await self._stranger.send(texts, keyed=False)
            return
        self._remember(texts)
        sender = self._poor if kind == "poor" else self._customer
        await sender.send(texts, keyed=kind.startswith("keyed"))

    def _remember(self, texts: Sequence[Text]) -> None:
        with self._lock:
            for text in texts:
                record = Record(text.number, time.monotonic())
                self._records.append(record)
                self._starts.append(record.sent_at)
                self._by_number[text.number] = record

    # -- what comes back

    def _accepted(self, text: Text, message_id: str) -> None:
        with self._lock:
            record = self._by_number[text.number]
            record.ids.add(message_id)
            if not record.acknowledged_at:
                record.acknowledged_at = time.monotonic()
                self.acknowledged += 1
            self._by_id[message_id] = record
            told = self._early.pop(message_id, 0.0)
            self._note_told(record, told) if told else None

    def _told(self, message_id: str) -> None:
        now = time.monotonic()
        with self._lock:
            record = self._by_id.get(message_id)
            if record is None:
                self._early.setdefault(message_id, now)  # faster than the answer to its sender
            else:
                self._note_told(record, now)

    def _note_told(self, record: Record, at: float) -> None:
        if not record.told_at:
            record.told_at = at
            self.told += 1

    def _answered(self, began: float, answer: Answer) -> None:
        with self._lock:
            self._answers.append((began, answer))
            self.statuses[answer.status] += 1
            self.refused += answer.status >= 400

    # -- what the nemesis asks

    def first_acknowledged_after(self, moment: float) -> float | None:
        """When the first message that was sent after `moment` was acknowledged."""
        return self._first(moment, "acknowledged_at")

    def first_told_after(self, moment: float) -> float | None:
        """When the first message that was sent after `moment` was told by webhook."""
        return self._first(moment, "told_at")

    def _first(self, moment: float, what: str) -> float | None:
        with self._lock:
            since = self._records[bisect.bisect_right(self._starts, moment) :]
            return min((at for record in since if (at := getattr(record, what))), default=None)

    def waiting_of(self, since: float, until: float) -> int:
        """Messages sent in this time and acknowledged, whose final webhook has not come yet."""
        with self._lock:
            first, last = bisect.bisect_left(self._starts, since), bisect.bisect_right(self._starts, until)
            return sum(bool(record.acknowledged_at and not record.told_at) for record in self._records[first:last])

    def longest_silence(self, since: float, until: float) -> float:
        """The longest time between `since` and `until` in which no message was acknowledged."""
        with self._lock:
            first = bisect.bisect_left(self._starts, since - 60)
            times = sorted(r.acknowledged_at for r in self._records[first:] if since <= r.acknowledged_at <= until)
        marks = [since, *times, until]
        return max(after - before for before, after in itertools.pairwise(marks))

    def answers_since(self, moment: float) -> list[Answer]:
        """All answers to requests that were sent since."""
        with self._lock:
            return [answer for began, answer in self._answers if began >= moment]

    def pending(self) -> int:
        """Acknowledged messages that were not told yet."""
        return self.acknowledged - self.told

    def probe(self, timeout: float = 10.0) -> Answer:
        """Send one message now, written down like any other."""

        async def ask() -> Answer:
            text = self._writer.text()
            self._remember([text])
            said = await self._customer.send([text], keyed=False, patience=timeout)
            return Answer(said.status, said.seconds)

        answer: Answer = self._run(ask(), timeout + 30)
        return answer
