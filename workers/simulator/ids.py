"""Message ids as carriers write them (spec: decimal, hexadecimal, UUID, dotted, dashed, per part)."""

import time
from collections.abc import Callable
from itertools import count
from uuid import UUID

# A UUID of ours: random version bits are not needed, only that the number can be read back.
_UUID_BASE = 0x51A1_0000_0000_4000_8000_0000_0000_0000

ID_FORMATS: dict[str, Callable[[int], str]] = {
    "uuid": lambda number: str(UUID(int=_UUID_BASE | (number & 0xFFFFFFFFFFFFFFF))),
    "dec": lambda number: str(number),
    "hex": lambda number: f"{number:x}",
    "upperhex": lambda number: f"{number:X}",
    "leadingzeros": lambda number: f"{number:020d}",
    "dotted": lambda number: f"{number >> 20}.{number & 0xFFFFF}.1",
    "dashed": lambda number: f"{number >> 20:x}-{number & 0xFFFFF:x}",
    "sar": lambda number: f"SAR-{number}-2-1",
    "mixedcase": lambda number: f"Ab{number:x}cD",
}


class IdSource:
    """Numbers that no earlier run of the simulator has given out (microseconds since 1970, then counting)."""

    def __init__(self, first: int | None = None) -> None:
        self._numbers = count(time.time_ns() // 1000 if first is None else first)

    def take(self) -> int:
        """The next number."""
        return next(self._numbers)
