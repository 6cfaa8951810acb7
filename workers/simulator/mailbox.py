"""What waits for a system_id until one of its receivers has a free slot: receipts and inbound texts."""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from smpp.pdu import Pdu
from workers.simulator.counters import Counters


@dataclass(slots=True, eq=False)
class Outgoing:
    """One PDU (or raw octets) for the customer; `origin` is the session of the submit, 0 for none.

    `target`: any, same or other session than `origin`.
    """

    pdu: Pdu | None
    kind: str = "receipt"
    raw: bytes = b""
    origin: int = 0
    target: str = "any"
    attempts: int = 0


class Receiver(Protocol):
    """A session that can be written to."""

    number: int

    @property
    def ready(self) -> bool:
        """Whether it takes one more request now."""
        ...

    def deliver(self, item: Outgoing) -> bool:
        """Send it; False if the session refused it."""
        ...


class Mailbox:
    """Deals items out to the receivers of one system_id in turn; at most `limit` wait, the oldest fall out."""

    def __init__(self, counters: Counters, limit: int) -> None:
        self.receivers: list[Receiver] = []
        self.waiting: deque[Outgoing] = deque()
        self._counters = counters
        self._limit = limit
        self._turn = 0

    def post(self, item: Outgoing) -> None:
        """Queue one item and send what can be sent."""
        if len(self.waiting) >= self._limit:
            self._drop(self.waiting.popleft())
        self.waiting.append(item)
        self.pump()

    def put_back(self, items: list[Outgoing]) -> None:
        """Queue items again that a session took and never acknowledged, in front."""
        room = max(0, self._limit - len(self.waiting))
        for item in items[room:]:
            self._drop(item)
        self.waiting.extendleft(reversed(items[:room]))
        self.pump()

    def join(self, receiver: Receiver) -> None:
        """A receiver has bound."""
        self.receivers.append(receiver)
        self.pump()

    def leave(self, receiver: Receiver) -> None:
        """A receiver has gone."""
        if receiver in self.receivers:
            self.receivers.remove(receiver)

    def pump(self) -> None:
        """Send from the head of the line as long as somebody can take it."""
        while self.waiting and self.receivers:
            receiver = self._choose(self.waiting[0])
            if receiver is None:
                return
            item = self.waiting.popleft()
            if not receiver.deliver(item):
                self.leave(receiver)
                self.waiting.appendleft(item)

    def _choose(self, item: Outgoing) -> Receiver | None:
        candidates = self.receivers
        if item.target != "any" and item.origin:
            same = item.target == "same"
            # Nobody else there: better the wrong session than none at all.
            candidates = [link for link in candidates if (link.number == item.origin) is same] or candidates
        for step in range(len(candidates)):
            receiver = candidates[(self._turn + step) % len(candidates)]
            if receiver.ready:
                self._turn += step + 1
                return receiver
        return None

    def _drop(self, item: Outgoing) -> None:
        if item.kind == "mo":
            self._counters.mo_dropped += 1
        else:
            self._counters.receipts_dropped += 1
