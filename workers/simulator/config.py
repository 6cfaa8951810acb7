"""How the simulated carrier behaves; everything but the addresses may change while it runs."""

import random
import ssl
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, cast

from smpp.constants import CommandStatus
from workers.simulator.ids import ID_FORMATS
from workers.simulator.styles import parse_styles

CUT_KINDS = ("rst", "fin", "unbind", "silence")
RECEIPT_TARGETS = ("any", "same", "other")
_FIXED_AT_START = frozenset({"host", "port", "control_port", "ssl_context", "seed", "journal", "first_id"})


@dataclass(frozen=True, slots=True)
class Delay:
    """A distribution of waiting times: fixed (low == high), uniform, or exponential with mean `low`; seconds."""

    low: float = 0.0
    high: float = 0.0
    exponential: bool = False

    @classmethod
    def parse(cls, value: "Delay | str | float") -> "Delay":
        """Read milliseconds: `250`, `10-300` (uniform) or `exp 200` (mean); raises ValueError."""
        if isinstance(value, Delay):
            return value
        text = str(value).strip().lower()
        exponential = text.startswith("exp")
        low, _, high = text.removeprefix("exp").strip(" :").partition("-")
        delay = cls(float(low) / 1000, float(high or low) / 1000, exponential)
        if delay.high < delay.low:
            raise ValueError(f"a delay from {low} to {high} ms ends before it begins")
        return delay

    def sample(self, dice: random.Random) -> float:
        """One waiting time in seconds; an exponential one is cut at 20 times its mean."""
        if self.exponential:
            return min(dice.expovariate(1 / self.low), 20 * self.low) if self.low else 0.0
        return self.low if self.low == self.high else dice.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class BindRefusal:
    """Refuse the first `times` binds (0 = all) with `status`, or never answer (`hang`), or `close`."""

    deed: str = "status"
    status: int = int(CommandStatus.ESME_RBINDFAIL)
    times: int = 0

    @classmethod
    def parse(cls, value: "BindRefusal | str | None") -> "BindRefusal | None":
        """Read `0x0D`, `13:3`, `hang:2` or `close`; empty is None; raises ValueError."""
        if not value or isinstance(value, BindRefusal):
            return value or None
        word, _, times = value.partition(":")
        if word in ("hang", "close"):
            return cls(word, 0, int(times or 0))
        return cls("status", int(word, 0), int(times or 0))


@dataclass(frozen=True, slots=True)
class Every:
    """Something that happens with each n-th submit: cut the session (`rst` ...) or answer with a status."""

    number: int
    what: str = "rst"

    @classmethod
    def parse(cls, value: "Every | str | int | None") -> "Every | None":
        """Read `100`, `100:fin` or `50:0x14`; 0 or empty is None; raises ValueError."""
        if not value or isinstance(value, Every):
            return value or None
        number, _, what = str(value).partition(":")
        return cls(int(number), what or "rst") if int(number) else None

    def due(self, count: int) -> bool:
        """Whether the `count`-th one is meant."""
        return count % self.number == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Settings of one simulated carrier; times in milliseconds where the name says so, else seconds.

    `credentials`: system_id → password; empty takes anybody. `receipt_style`: names joined by `+` (together)
    and `,` (in turn), or `all`. `throttle_rate`: accepted submits per second and system_id, beyond that
    ESME_RTHROTTLED. `tps`: answers per second, the others wait. `window_limit`: unanswered submits on a session,
    beyond that `window_status`. `refuse_every`: `N:STATUS`. `disconnect_every`: `N:rst|fin|unbind|silence`.
    `time_scale` multiplies the waits of the magic numbers (5 s, 30 s). `receipt_target`: `other` avoids
    the session of the submit; `receipt_system_id` sends all receipts to that system_id. `journal`: a file that
    gets one JSON line for each accepted submit.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    smsc_id: str = "SIMULATOR"
    credentials: dict[str, str] = field(default_factory=dict)
    delay_ms: Delay | str | float = 50
    answer_ms: Delay | str | float = 0
    receipt_style: str = "standard"
    id_format: str = "uuid"
    success_rate: float = 1.0
    throttle_rate: float = 0.0
    tps: float = 0.0
    window_limit: int = 0
    window_status: int = int(CommandStatus.ESME_RMSGQFUL)
    refuse_every: Every | str | None = None
    refuse_binds: BindRefusal | str | None = None
    max_binds: int = 0
    disconnect_every: Every | str | int | None = None
    receipt_target: str = "any"
    receipt_system_id: str = ""
    receipt_window: int = 100
    receipt_response_seconds: float = 30.0
    receipt_retry_seconds: float = 1.0
    receipt_attempts: int = 5
    enquire_link_seconds: float = 30.0
    ignore_enquire_link: bool = False
    interface_version: int = 0x34
    mo_every: float = 0.0
    mo_source: str = "31600000001"
    mo_destination: str = "12345"
    mo_text: str = "Hello {n}"
    time_scale: float = 1.0
    seed: int | None = None
    first_id: int | None = None
    record_limit: int = 20_000
    backlog_limit: int = 100_000
    waiting_limit: int = 100_000
    duplicate_memory: int = 500_000
    journal: str = ""
    ssl_context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        for name, parse in _PARSERS.items():
            object.__setattr__(self, name, parse(getattr(self, name)))
        if self.id_format not in ID_FORMATS:
            raise ValueError(f"id_format is one of {', '.join(ID_FORMATS)}")
        if self.receipt_target not in RECEIPT_TARGETS:
            raise ValueError(f"receipt_target is one of {', '.join(RECEIPT_TARGETS)}")
        if isinstance(self.disconnect_every, Every) and self.disconnect_every.what not in CUT_KINDS:
            raise ValueError(f"a session ends by {', '.join(CUT_KINDS)}")
        if isinstance(self.refuse_every, Every):
            int(self.refuse_every.what, 0)
        parse_styles(self.receipt_style)

    @property
    def receipt_delay(self) -> Delay:
        """Wait between the answer and the receipt."""
        return cast(Delay, self.delay_ms)

    @property
    def answer_delay(self) -> Delay:
        """Wait before the answer."""
        return cast(Delay, self.answer_ms)

    @property
    def bind_refusal(self) -> BindRefusal | None:
        """What happens to binds, None for nothing."""
        return cast("BindRefusal | None", self.refuse_binds)

    @property
    def cut_rule(self) -> Every | None:
        """When and how sessions are cut."""
        return cast("Every | None", self.disconnect_every)

    @property
    def refusal_rule(self) -> Every | None:
        """Which submits get which status."""
        return cast("Every | None", self.refuse_every)

    def changed(self, changes: dict[str, Any]) -> Self:
        """Return the settings with these changes; raises ValueError for what is unknown or fixed at start."""
        known = {item.name for item in fields(self)} - _FIXED_AT_START
        if wrong := sorted(set(changes) - known):
            raise ValueError(f"cannot be changed: {', '.join(wrong)}")
        return replace(self, **changes)


_PARSERS: dict[str, Any] = {
    "delay_ms": Delay.parse,
    "answer_ms": Delay.parse,
    "refuse_binds": BindRefusal.parse,
    "refuse_every": Every.parse,
    "disconnect_every": Every.parse,
}
