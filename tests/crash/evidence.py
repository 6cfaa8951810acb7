"""Reading what all of them wrote down: senders, carrier, receiver of the webhooks, and the export of the gateway."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.crash.journal import read
from tests.crash.senders import NEVER_SENT
from tests.crash.texts import PREFIX

REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 429})
Row = dict[str, str]


@dataclass(slots=True)
class Sent:
    """One message as its sender knows it."""

    number: int
    to: str
    content: str
    parts: int
    who: str
    key: str | None
    ids: set[str] = field(default_factory=set)
    refused: bool = False  # at least one answer said no
    doubted: bool = False  # at least one try may have come through without an answer that says so

    @property
    def accepted(self) -> bool:
        """The customer was told that we have it."""
        return bool(self.ids)

    @property
    def never(self) -> bool:
        """It must not be sent: the answer was no, or nobody ever heard the question."""
        return not self.accepted and not self.doubted

    @property
    def unknown(self) -> bool:
        """It may be sent, once: nobody told its sender."""
        return not self.accepted and self.doubted


@dataclass(frozen=True, slots=True)
class Copy:
    """One part as the carrier took it; `at`: seconds since 1970."""

    to: str
    seq: int
    total: int
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """One webhook; `at`: seconds since 1970."""

    id: str
    event: str
    status: str
    at: float


@dataclass(frozen=True, slots=True)
class Window:
    """From a fault to the service being whole again; seconds since 1970."""

    number: int
    kind: str
    began: float
    whole: float


@dataclass(slots=True)
class Evidence:
    """Everything the checker judges by; `balances`: of each customer before and after, `price`: of a part."""

    sent: dict[int, Sent]
    copies: list[Copy]
    told: list[Told]
    messages: list[Row]
    transfers: list[Row]
    windows: list[Window]
    price: Decimal
    opening: dict[str, Decimal]

    def without(self, ids: Collection[str], prefix: str) -> "Evidence":
        """The same without the messages of these ids and the copies to handsets that begin so."""
        return replace(
            self,
            messages=[row for row in self.messages if row["message_id"] not in ids],
            copies=[copy for copy in self.copies if not copy.to.startswith(prefix)],
        )

    def number_of(self, to: str) -> int | None:
        """The number of the message to this handset."""
        number = int(to[len(PREFIX) :]) if to.startswith(PREFIX) and len(to) == len(PREFIX) + 8 else None
        return number if number in self.sent else None


def gather(place: Path, *, price: Decimal, opening: dict[str, Decimal]) -> Evidence:
    """Read the journals and the export (in `place`/export) of a run."""
    return Evidence(
        sent=senders(read(place / "senders.jsonl")),
        copies=[_copy(line) for line in read(place / "carrier.jsonl")],
        told=[Told(line["id"], line["event"], line["status"], line["at"]) for line in read(place / "webhooks.jsonl")],
        messages=_rows(place / "export" / "messages.csv"),
        transfers=_rows(place / "export" / "transfers.csv"),
        windows=_windows(read(place / "nemesis.jsonl")),
        price=price,
        opening=opening,
    )


def senders(lines: Iterable[dict[str, Any]]) -> dict[int, Sent]:
    """What became of each message as far as its sender was told."""
    sent: dict[int, Sent] = {}
    tries: dict[str | int, int] = defaultdict(int)
    for line in lines:
        name = line["key"] or line["n"][0]
        if line["e"] == "request":
            for number, to, content, parts in zip(line["n"], line["to"], line["contents"], line["parts"], strict=True):
                sent[number] = Sent(number, to, content, parts, line["who"], line["key"])
            tries[name] += 1
            continue
        tries[name] = 0
        for number, result in zip(line["n"], line["results"], strict=True):
            _learn(sent[number], line["status"], line["code"], result)
    for message in sent.values():  # the run ended before an answer came
        message.doubted |= bool(tries[message.key or message.number])
    return sent


def _learn(message: Sent, status: int, code: str, result: dict[str, Any]) -> None:
    if "id" in result:
        message.ids.add(result["id"])
    elif "refused" in result or status in REFUSALS:
        message.refused = True
    elif code != NEVER_SENT:
        message.doubted = True


def _copy(line: dict[str, Any]) -> Copy:
    _, total, seq = line["concat"] or (0, 1, 1)
    return Copy(line["destination"], seq, total, line["text"], datetime.fromisoformat(line["received_at"]).timestamp())


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _windows(lines: Iterable[dict[str, Any]]) -> list[Window]:
    """A fault that never ended, because the run was cut, lasts for ever."""
    found: dict[int, Window] = {}
    for line in lines:
        if line["event"] == "strike":
            found[line["number"]] = Window(line["number"], line["kind"], line["at"], float("inf"))
        elif line["event"] == "struck" and line["skipped"]:
            del found[line["number"]]
        elif line["event"] == "struck":
            known = found[line["number"]]
            found[line["number"]] = Window(known.number, known.kind, known.began, line["whole_at"])
    return list(found.values())
