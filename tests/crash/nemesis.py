"""The nemesis: faults in a seeded order, at most two at once, a quarter of the time in peace; it takes the times."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.crash.faults import TARGET_SECONDS, Family, Fault, Skipped
from tests.crash.world import World

WHOLE_SECONDS = 180.0  # beyond which the service does not come back by itself
CAUGHT_UP_SECONDS = 300.0  # after which what was under way at the fault is no longer waited for
REST_SHARE = 0.36  # of the time a fault took: more than a quarter of the whole is free of faults
REST_LEAST = 1.5  # seconds
OVERLAP = 0.08  # share of faults that a second one joins
TRIES = 3  # of a fault that cannot be done now
PUT_OFF = 2  # times that it is put at the end of the order afterwards


@dataclass(slots=True)
class Struck:
    """One fault and what was measured. `at`, `whole_at`: seconds since 1970; the rest: seconds since it was over.

    `acknowledged`, `told`: until a message that was sent after the fault was acknowledged, and told by webhook;
    `settled`: until what was broken was back; `recovered`: until all three; `caught_up`: until all that had been
    acknowledged before the end of the fault was told. None: did not happen in time. `lasted`: how long it was broken on
    purpose. `silence`: the longest time without any acknowledgement, from the beginning of the fault.
    """

    number: int
    kind: str
    family: str
    at: float
    lasted: float = 0.0
    overlapped: bool = False
    skipped: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    acknowledged: float | None = None
    told: float | None = None
    settled: float | None = None
    recovered: float | None = None
    caught_up: float | None = None
    silence: float = 0.0
    whole_at: float = 0.0

    @property
    def late(self) -> bool:
        """Slower than its family may be, or never back."""
        return self.recovered is None or self.recovered > TARGET_SECONDS[self.family]  # type: ignore[index]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self).items()}


@dataclass(slots=True)
class _Debt:
    """What was under way at a fault: told yet?"""

    struck: Struck
    since: float
    until: float


def plan(kinds: Sequence[str], per_kind: int, dice: random.Random) -> list[str]:
    """Every kind so often, in rounds, each in an order of its own: a run cut short has seen all kinds."""
    order: list[str] = []
    for _ in range(per_kind):
        order += dice.sample(list(kinds), len(kinds))
    return order


class Nemesis:
    """Strikes `world` with `faults`; `after_each` is called with all that was struck so far."""

    def __init__(
        self,
        world: World,
        faults: Mapping[str, Fault],
        dice: random.Random,
        *,
        after_each: Callable[[list[Struck]], None],
        overlap: float = OVERLAP,
    ) -> None:
        self._world, self._faults, self._dice, self._after_each = world, faults, dice, after_each
        self._overlap = overlap if len(faults) > 1 else 0.0
        self._debts: list[_Debt] = []
        self.struck: list[Struck] = []
        self.rested = 0.0

    def run(self, order: Sequence[str], *, until: float) -> None:
        """Strike in this order until it is done or `until` (monotonic) has come."""
        waiting, put_off = list(order), Counter[str]()
        while waiting and time.monotonic() < until:
            names = [waiting.pop(0)]
            if waiting and self._may_meet(names[0], waiting[0]) and self._dice.random() < self._overlap:
                names.append(waiting.pop(0))
            began, known = time.monotonic(), len(self.struck)
            self._strike(names)
            for fault in self.struck[known:]:
                if fault.skipped and put_off[fault.kind] < PUT_OFF:
                    put_off[fault.kind] += 1
                    waiting.append(fault.kind)
            self._rest(max(REST_LEAST, REST_SHARE * (time.monotonic() - began)))
            self._after_each(self.struck)

    def _may_meet(self, one: str, other: str) -> bool:
        """Two that stop and start one store would be in each other's way, not in the product's."""
        both = {self._faults[one].family, self._faults[other].family}
        return one != other and both != {Family.STORE}

    def settle_debts(self, patience: float) -> None:
        """Wait for what was under way at the last faults."""
        until = time.monotonic() + patience
        while self._debts and time.monotonic() < until:
            self._look()
            time.sleep(0.2)

    def _strike(self, names: Sequence[str]) -> None:
        dices = [random.Random(self._dice.getrandbits(64)) for _ in names]
        if len(names) == 1:
            self._one(names[0], dices[0], overlapped=False)
            return
        threads = [
            threading.Thread(target=self._one, args=(name, dice), kwargs={"overlapped": True}, name=name)
            for name, dice in zip(names, dices, strict=True)
        ]
        for thread in threads:
            thread.start()
            time.sleep(dices[0].uniform(0, 1))
        for thread in threads:
            thread.join()

    def _one(self, name: str, dice: random.Random, *, overlapped: bool) -> None:
        fault, began = self._faults[name], time.monotonic()
        struck = Struck(len(self.struck) + 1, name, str(fault.family), time.time(), overlapped=overlapped)
        self.struck.append(struck)
        self._world.note("strike", number=struck.number, kind=name)
        if self._struck(fault, dice, struck):
            ended = time.monotonic()
            struck.lasted = ended - began
            self._measure(fault, struck, began, ended)
            self._debts.append(_Debt(struck, began - 5, ended))
        struck.whole_at = time.time()
        self._world.note("struck", **struck.as_dict())

    def _struck(self, fault: Fault, dice: random.Random, struck: Struck) -> bool:
        for _ in range(TRIES):
            try:
                struck.details = fault.strike(self._world, dice)
            except Skipped as reason:
                struck.skipped = str(reason)
                time.sleep(1)
            else:
                struck.skipped = ""
                return True
        return False

    def _measure(self, fault: Fault, struck: Struck, began: float, ended: float) -> None:
        load, until = self._world.load, ended + WHOLE_SECONDS
        while time.monotonic() < until:
            self._world.fleet.supervised()
            if struck.settled is None and fault.settled(self._world):
                struck.settled = time.monotonic() - ended
            acknowledged, told = load.first_acknowledged_after(ended), load.first_told_after(ended)
            struck.acknowledged = acknowledged - ended if acknowledged else None
            struck.told = told - ended if told else None
            if struck.settled is not None and struck.acknowledged is not None and struck.told is not None:
                struck.recovered = max(struck.settled, struck.acknowledged, struck.told)
                break
            self._look()
            time.sleep(0.1)
        struck.silence = load.longest_silence(began, time.monotonic())

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look()
            time.sleep(min(0.2, seconds))
        self.rested += seconds

    def _look(self) -> None:
        """Which debts are paid?"""
        for debt in list(self._debts):
            age = time.monotonic() - debt.until
            paid = not self._world.load.waiting_of(debt.since, debt.until)
            if paid:
                debt.struck.caught_up = age
            if (paid or age > CAUGHT_UP_SECONDS) and debt in self._debts:
                self._debts.remove(debt)
