"""Reading the wire log: the rows of all processes in the order of time, decoded, narrowed, page by page.

page = wire_log(connector_log(connector), filters=Filters(errors=True), texts=False, limit=100)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from accounts.models import SmppClient
from connectors.models import Connector
from messaging.models import WireLog
from messaging.wirelog.decoding import facts_of, status_facts
from messaging.wirelog.entries import EVENT, WAYS, Entry, Subject, unpacked
from messaging.wirelog.storing import STRANGERS, Kind, kept
from messaging.wirelog.talks import Placed, Talk, Talks
from smpp.constants import CommandId
from smpp.pdu import BIND_COMMANDS

PAGE, LARGEST_PAGE = 100, 1_000
_MOST_FRESH: Final = 1_000  # rows of one look
_BIND_ANSWERS: Final = {f"{CommandId(command).name.lower()}_resp" for command in BIND_COMMANDS}
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """Whose log, and what data_coding 0 means there."""

    subjects: tuple[Subject, ...]
    alphabet: str = "gsm"


def client_log(client: SmppClient) -> Log:
    """What went over the links of an SMPP client, and who tried his system_id in vain."""
    return Log((Subject(Kind.CLIENT, client.pk), Subject(Kind.KNOCK, client.pk)), client.default_alphabet)


def connector_log(connector: Connector) -> Log:
    """What went over the binds of a connector."""
    return Log((Subject(Kind.CONNECTOR, connector.pk),), connector.default_alphabet)


def strangers_log() -> Log:
    """Refused connections of whom nobody knows; for operators."""
    return Log((STRANGERS,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is asked for; all of it must hold. A request and its answer are shown together.

    `command`: of the request, or of an answer alone by its own name. `status`: of answers. `errors`: what was refused,
    and events. `number`: digits in any address. `message_id`: in an answer, a question, or a receipt.
    """

    command: str = ""
    status: int | None = None
    errors: bool = False
    number: str = ""
    message_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first; `cursor` begins the next page, None at the end."""

    items: list[Told]
    cursor: str | None


def wire_log(
    log: Log, *, filters: Filters | None = None, texts: bool = False, limit: int = PAGE, before: str = ""
) -> Page:
    """At most `limit` (≤ 1,000) entries before the cursor `before`. Without `texts` contents are masked (S22)."""
    wanted, size = filters or Filters(), max(1, min(limit, LARGEST_PAGE))
    found = list(_narrowed(_all(log), wanted, log))
    newest = [placed for placed in reversed(found) if not before or placed.id < before]
    page = newest[:size]
    following = page[-1].id if len(newest) > size else None
    return Page([_told(placed, log, texts) for placed in page], following)


def refused_binds(log: Log, *, limit: int = 50) -> list[Told]:
    """The last binds that were refused, by us or by a carrier, the newest first: when, where from, why."""
    found = [placed for placed in _all(log) if placed.status and placed.command in _BIND_ANSWERS]
    told = [_told(placed, log, texts=False) for placed in reversed(found[-limit:])]
    return [{name: one[name] for name in ("at", "link", "command", "status", "status_name", "reason")} for one in told]


class Tail:
    """What is new since the last look; begins now.

    New is a row that was not there at the last look, however old its PDUs are: processes keep theirs through a fault of
    the database, and show them in no order. So a look reads the ids that a subject has (its newest PDUs are kept, so
    these are about a thousand at most), and entries of new rows alone.
    """

    def __init__(self, log: Log, *, filters: Filters | None = None, texts: bool = False) -> None:
        self._log, self._filters, self._texts = log, filters or Filters(), texts
        self._talks = Talks()
        self._seen = self._present()

    def read(self) -> list[Told]:
        """Entries that were written since the last look, the oldest first."""
        present = self._present()
        fresh = self._rows(sorted(present - self._seen)[:_MOST_FRESH])
        self._seen = (self._seen & present) | {row.pk for row in fresh}
        found = _narrowed(list(self._talks.pair(_entries(fresh))), self._filters, self._log)
        return [_told(placed, self._log, self._texts) for placed in found]

    def _present(self) -> set[UUID]:
        whose = reduce(or_, (Q(kind=subject.kind, key=subject.key) for subject in self._log.subjects))
        return set(WireLog.objects.filter(whose).values_list("pk", flat=True))

    def _rows(self, ids: Sequence[UUID]) -> list[WireLog]:
        return list(WireLog.objects.filter(pk__in=ids)) if ids else []


def _all(log: Log) -> list[Placed]:
    """Everything that is kept, the oldest first."""
    return list(Talks().pair(_entries([row for subject in log.subjects for row in _rows(subject)])))


def _rows(subject: Subject) -> Iterator[WireLog]:
    """The newest rows that hold all that a subject keeps; the others are only not deleted yet."""
    found, enough = 0, kept(subject)
    newest = WireLog.objects.filter(kind=subject.kind, key=subject.key).order_by("-until", "-id")
    for row in newest[:enough].iterator(chunk_size=50):
        yield row
        found += row.count
        if found >= enough:
            return


def _entries(rows: Sequence[WireLog]) -> list[tuple[Entry, UUID, int, str]]:
    """All entries of the rows in the order of time."""
    found = [
        (entry, row.pk, index, row.process) for row in rows for index, entry in enumerate(unpacked(bytes(row.entries)))
    ]
    return sorted(found, key=lambda one: (one[0].at, one[1].hex, one[2]))


def _narrowed(found: Sequence[Placed], filters: Filters, log: Log) -> Iterator[Placed]:
    """Those that are asked for: talks are chosen by any of their PDUs and shown whole."""
    tests = list(_tests(filters, log))
    chosen = [_talks_that(found, test) for test in tests]
    for placed in found:
        within = _within(placed, filters)
        if within and all(
            placed.talk in talks if placed.talk is not None else test(placed)
            for test, talks in zip(tests, chosen, strict=True)
        ):
            yield placed


def _talks_that(found: Sequence[Placed], test: Callable[[Placed], bool]) -> set[Talk]:
    return {placed.talk for placed in found if placed.talk is not None and test(placed)}


def _within(placed: Placed, filters: Filters) -> bool:
    at = placed.entry.at
    if filters.since is not None and at < filters.since.timestamp():
        return False
    if filters.until is not None and at >= filters.until.timestamp():
        return False
    # An answer by its own name comes without its request.
    return not filters.command.endswith("_resp") or placed.command == filters.command


def _tests(filters: Filters, log: Log) -> Iterator[Callable[[Placed], bool]]:
    if filters.command:
        yield lambda placed: placed.command == filters.command
    if filters.status is not None:
        yield lambda placed: placed.command.endswith(("_resp", "_nack")) and placed.status == filters.status
    if filters.errors:
        yield lambda placed: bool(placed.status or placed.entry.note)
    if filters.number:
        yield lambda placed: _has_number(_facts(placed, log), filters.number)
    if filters.message_id:
        yield lambda placed: _has_id(_facts(placed, log), filters.message_id)


def _facts(placed: Placed, log: Log) -> Told:
    if placed.entry.way == EVENT:
        return {"fields": {}, "tlvs": []}
    return facts_of(placed.entry.frame, alphabet=log.alphabet, texts=True)


def _has_number(facts: Told, number: str) -> bool:
    fields = facts["fields"]
    addresses = [fields.get(name, "") for name in ("source_addr", "destination_addr", "esme_addr")]
    addresses += [one.get("destination_addr", "") for one in fields.get("dest_addresses", ())]
    return any(number in address for address in addresses)


def _has_id(facts: Told, wanted: str) -> bool:
    named = [facts["fields"].get("message_id", ""), facts.get("receipt", {}).get("message_id", "")]
    named += [tlv["value"] for tlv in facts["tlvs"] if tlv["name"] == "receipted_message_id"]
    return wanted.casefold() in [str(name).casefold() for name in named]


def _told(placed: Placed, log: Log, texts: bool) -> Told:
    entry = placed.entry
    found: Told = {
        "id": placed.id,
        "at": datetime.fromtimestamp(entry.at, UTC),
        "direction": WAYS[entry.way],
        "link": entry.link,
        "reason": entry.note,
    }
    if entry.way == EVENT:
        return found
    found |= {"command": placed.command, "sequence": placed.sequence, **status_facts(placed.status)}
    if placed.seconds is not None:
        found["milliseconds"] = round(placed.seconds * 1000, 1)
    return found | facts_of(entry.frame, alphabet=log.alphabet, texts=texts)
