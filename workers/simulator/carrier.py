"""What the parts of the simulator share: settings, counters, clock, dice, messages, mailboxes."""

import asyncio
import random
from collections import deque

from workers.simulator.config import SimulatorConfig
from workers.simulator.counters import Counters, SeenBefore
from workers.simulator.ids import IdSource
from workers.simulator.mailbox import Mailbox, Outgoing
from workers.simulator.messages import Record
from workers.simulator.schedule import Schedule
from workers.simulator.styles import Style, parse_styles

_MAX_MAILBOXES = 1_000


class Carrier:
    """The state of one simulated carrier; everything in it is bounded by the settings."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.counters = Counters()
        self.schedule = Schedule()
        self.dice = random.Random(config.seed)  # noqa: S311 - repeatable traffic, no secret
        self.ids = IdSource(config.first_id)
        self.record = Record(config.record_limit)
        self.seen = SeenBefore(config.duplicate_memory)
        self.mailboxes: dict[str, Mailbox] = {}
        self._orphans: deque[Outgoing] = deque(maxlen=config.waiting_limit)
        self.apply(config)

    def apply(self, config: SimulatorConfig) -> None:
        """Follow these settings from now on."""
        self.config = config
        self._turns = parse_styles(config.receipt_style)
        self._turn = 0

    def now(self) -> float:
        """Loop seconds."""
        return asyncio.get_running_loop().time()

    def next_styles(self) -> tuple[Style, ...]:
        """The configured style, or the next one in turn."""
        if len(self._turns) == 1:
            return self._turns[0]
        self._turn += 1
        return self._turns[(self._turn - 1) % len(self._turns)]

    def mailbox(self, system_id: str) -> Mailbox:
        """The mailbox of a system_id; the first one gets what had waited for anybody."""
        box = self.mailboxes.get(system_id)
        if box is None:
            self._forget_idle()
            box = self.mailboxes[system_id] = Mailbox(self.counters, self.config.waiting_limit)
            box.waiting.extend(self._orphans)
            self._orphans.clear()
        return box

    def _forget_idle(self) -> None:
        """Keep no more than a thousand names: those with neither receiver nor anything waiting go first."""
        if len(self.mailboxes) < _MAX_MAILBOXES:
            return
        idle = [name for name, box in self.mailboxes.items() if not box.receivers and not box.waiting]
        for name in idle or list(self.mailboxes)[:1]:
            del self.mailboxes[name]

    def post_to_anybody(self, item: Outgoing) -> None:
        """Queue an inbound text for some system_id with a receiver, else for the first that ever binds."""
        boxes = [box for box in self.mailboxes.values() if box.receivers] or list(self.mailboxes.values())
        if boxes:
            self.dice.choice(boxes).post(item)
        else:
            self._orphans.append(item)

    def waiting(self) -> int:
        """Receipts and texts that no receiver has taken yet."""
        return sum(len(box.waiting) for box in self.mailboxes.values()) + len(self._orphans)
