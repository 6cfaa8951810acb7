"""The carrier's own account of what it took, one JSON line per message, for a checker outside."""

import json
from typing import IO

from workers.simulator.messages import Message


def write_line(journal: IO[str], message: Message) -> None:
    """Append one message; the file is flushed every second and at the end."""
    journal.write(json.dumps(message.as_dict(), ensure_ascii=False) + "\n")
