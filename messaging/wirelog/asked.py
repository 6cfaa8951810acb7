"""What people write to narrow a log, read; each raises ValueError that says what would be taken."""

import re
from typing import Final

from smpp.constants import RESPONSE_BIT, CommandId, CommandStatus

_COMMANDS: Final = {command.name.lower(): int(command) for command in CommandId}
_UNKNOWN: Final = re.compile(r"0x[0-9a-f]{8}")  # as the log shows a command that SMPP does not have
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_REQUESTS: Final = [name for name, number in _COMMANDS.items() if not number & RESPONSE_BIT]
COMMANDS: Final = f"{', '.join(_REQUESTS)}, with _resp for answers alone; generic_nack"


def command_of(text: str) -> str:
    """The name of a command as the log has it; empty for none."""
    name = text.strip().lower()
    if name and name not in _COMMANDS and not _UNKNOWN.fullmatch(name):
        raise ValueError(COMMANDS)
    return name


def number_of(text: str) -> str:
    """Digits in an address; empty for none."""
    asked = text.strip()
    digits = asked.removeprefix("+")
    if asked and not _DIGITS.fullmatch(digits):
        raise ValueError("1 to 20 digits")
    return digits


def status_of(text: str) -> int:
    """A command_status by its number (88, 0x58) or its name."""
    name = text.strip().upper()
    for known in (name, f"ESME_{name}"):
        if known in CommandStatus.__members__:
            return int(CommandStatus[known])
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError("a number, 0x58, or a name as ESME_RTHROTTLED")
    return number
