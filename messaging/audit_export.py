"""Messages and transfers as CSV, for a checker that trusts nothing of ours: it recomputes money from these lines.

No text and no handset number is in them, only what money and fate are proved with.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from billing.models import LedgerEntry
from common.ids import floor_at
from messaging.commands import public_id
from messaging.models import Message

_CHUNK: Final = 2_000
_MESSAGE = (
    "account_id", "api_client_id", "smpp_client_id", "source", "client_ref", "lane", "status", "error_code",
    "possible_duplicate", "parts", "unit_price", "price", "charge", "connector_id", "created_at", "done_at",
)  # fmt: skip
_TRANSFER = (
    "id", "key", "account_id", "api_client_id", "debit", "credit", "amount", "before", "after", "reason", "reference",
    "parts", "source", "actor", "created_at",
)  # fmt: skip


def export_audit(directory: Path, *, since: datetime | None = None) -> dict[str, int]:
    """Write messages.csv and transfers.csv into `directory`; returns the number of lines of each.

    `since` (aware) leaves out what is older. The two files are read one after the other, not at one moment: stop
    the sending, or expect the newest charges to be in transfers.csv alone. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    floor = {"id__gte": floor_at(since)} if since else {}
    messages = Message.objects.filter(**floor).order_by("id").values_list("id", "over_limit", *_MESSAGE)
    transfers = LedgerEntry.objects.filter(**floor).order_by("id").values_list(*_TRANSFER)
    return {
        "messages": _write(directory / "messages.csv", ("message_id", *_MESSAGE), _named(messages.iterator(_CHUNK))),
        "transfers": _write(directory / "transfers.csv", _TRANSFER, transfers.iterator(_CHUNK)),
    }


def _named(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Under the id that the customer was given, which is the one in the checker's journal."""
    for message_id, over_limit, *rest in rows:
        yield (public_id(message_id, over_limit=over_limit), *rest)


def _write(path: Path, heads: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
            count += 1
    return count


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
