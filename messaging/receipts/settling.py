"""What receipts do to the parts that they are about, under the locks of `rows.lock`.

The first final receipt settles a part; the same again is a duplicate, another one a conflict that is kept as an
event. ENROUTE, ACCEPTED and UNKNOWN settle nothing. After UNKNOWN a late receipt settles once.

Of a part that was sent again because no receipt came, the earlier copy's receipt settles it when it says DELIVERED;
when it says that this copy failed, the later copy decides.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.snapshot import accounts
from common.sql import dialect
from messaging import deliveries, first_copy, status
from messaging.deliveries import Told
from messaging.finals import Ended
from messaging.models import Receipt, ReceiptSeen, Status
from messaging.receipts import shared
from messaging.receipts.keys import bounded
from messaging.receipts.matching import BY_ADDRESS, BY_ATTEMPT, PARKED_FOR, UNMARKED_FOR, Match
from messaging.receipts.reading import Fact
from messaging.rows import Event, MessageRow, PartRow

# Seconds until an unmatched receipt is looked at again, then hourly until 72 h have passed.
REMATCH = (1, 5, 30, 300)
HOURLY = 3600


# Found without a lock and since sent again: a receipt cannot be about a copy without an answer.
_NOT_SENT = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SUBMITTING, Status.UNCERTAIN})


class Verdict(Enum):
    """What a receipt means for the part that it met."""

    SETTLES = "settles"
    REPEATS = "repeats"
    CONFLICTS = "conflicts"
    NOTED = "noted"
    UNMATCHED = "unmatched"


@dataclass(slots=True)
class Settled:
    """What settling leads to, for the one `finals.finish` at the end of the transaction."""

    ended: list[Ended] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    underway: list[Told] = field(default_factory=list)

    def joined(self, later: "Settled") -> "Settled":
        """Both, in that order."""
        return Settled(self.ended + later.ended, self.events + later.events, self.underway + later.underway)


def judge(fact: Fact, part: PartRow | None, found: Match | None = None) -> Verdict:
    """Pure: by the state of the part and what the receipt says; `found` tells of which copy."""
    if part is None or part.status in _NOT_SENT:
        return Verdict.UNMATCHED
    if fact.status not in status.RECEIPT_FINALS:
        return Verdict.NOTED
    if found is not None and found.by == BY_ATTEMPT and _later_copy_decides(fact, part):
        return Verdict.NOTED
    if status.may(part.status, fact.status):
        return Verdict.SETTLES
    return Verdict.REPEATS if part.status == fact.status else Verdict.CONFLICTS


def _later_copy_decides(fact: Fact, part: PartRow) -> bool:
    return fact.status != Status.DELIVERED and part.status == Status.SUBMITTED


def settle(
    facts: Sequence[Fact],
    matches: Mapping[UUID, Match],
    parts: Mapping[UUID, PartRow],
    messages: Mapping[UUID, MessageRow],
    *,
    now: datetime,
    fresh: bool,
) -> Settled:
    """Judge the receipts in order and move their parts; sets state, part and dates of each fact.

    `fresh` receipts have just come in, so repeated ones are told by their digest; those that were parked have
    had that look already.
    """
    result = Settled()
    supplied = _supply_ids(facts, matches, parts)
    _call_back(facts, matches, parts)
    verdicts = []
    moves: dict[str, dict[UUID, tuple[Any, ...]]] = defaultdict(dict)
    for fact in facts:
        found = matches.get(fact.id)
        part = parts.get(found.part_id) if found else None
        verdicts.append((fact, part, judge(fact, part, found)))
        for sent in (parts[key] for key in found.part_ids if key in parts) if found else ():
            if judge(fact, sent, found) is Verdict.SETTLES:
                result.ended.append(_ended(fact, sent, found.by if found else ""))
                moves[sent.status][sent.id] = (sent.done_at, sent.error_code, sent.matched_by)
    for to in sorted(moves):
        status.move(Status(to), moves[to], columns=shared.FINAL_COLUMNS)
    result.ended += shared.settle_siblings([*supplied, *(end.part for end in result.ended)], parts, messages)
    told = [fact for fact, _, verdict in verdicts if verdict in _BY_DIGEST and _is_receipt(fact, verdict)]
    repeated = _repeated(told, now) if fresh else set()
    for fact, part, verdict in verdicts:
        _conclude(fact, part, matches.get(fact.id), verdict, fact.id in repeated, now)
        if part is not None and fact.id not in repeated:
            _tell(fact, part, verdict, messages, result)
    return result


# A final receipt on an open part needs no digest: the state of the part tells a repeated one.
_BY_DIGEST = frozenset({Verdict.CONFLICTS, Verdict.NOTED, Verdict.UNMATCHED})


def _is_receipt(fact: Fact, verdict: Verdict) -> bool:
    """The words of a person may be the same twice."""
    return fact.certain or verdict is not Verdict.UNMATCHED


def _ended(fact: Fact, part: PartRow, by: str) -> Ended:
    part.status, part.done_at, part.error_code = Status(fact.status), fact.received_at, fact.error_code
    part.matched_by = by
    return Ended(part=part, status=Status(fact.status), at=fact.received_at, error_code=fact.error_code)


def _supply_ids(facts: Iterable[Fact], matches: Mapping[UUID, Match], parts: Mapping[UUID, PartRow]) -> list[PartRow]:
    """An uncertain part whose receipt came was submitted: the receipt brings the provider's id (matched by address).

    Returns those parts.
    """
    changes = {}
    for fact in facts:
        found = matches.get(fact.id)
        part = parts.get(found.part_id) if found and found.by == BY_ADDRESS else None
        if part is None or part.status != Status.UNCERTAIN:
            continue
        part.status, part.submitted_at = Status.SUBMITTED, part.claimed_at
        part.provider_id, part.provider_key = bounded(fact.provider_id), fact.provider_key
        part.matched_by = BY_ADDRESS
        changes[part.id] = (part.claimed_at, part.provider_id, part.provider_key, BY_ADDRESS, None)
    columns = (
        ("submitted_at", "timestamptz"),
        ("provider_id", "varchar"),
        ("provider_key", "varchar"),
        ("matched_by", "varchar"),
        ("uncertain_until", "timestamptz"),
    )
    status.move(Status.SUBMITTED, changes, columns=columns, only_from=frozenset({Status.UNCERTAIN}))
    return [parts[part_id] for part_id in changes]


def _call_back(facts: Iterable[Fact], matches: Mapping[UUID, Match], parts: Mapping[UUID, PartRow]) -> None:
    """An earlier copy was delivered while the later one waits for its turn: that one is not sent any more."""
    known = [(fact, matches[fact.id]) for fact in facts if fact.id in matches and fact.status == Status.DELIVERED]
    owners = {found.part_id for _, found in known if found.by == BY_ATTEMPT}
    first_copy.return_to([parts[key] for key in sorted(owners & parts.keys()) if first_copy.could_return(parts[key])])


def _repeated(facts: Sequence[Fact], now: datetime) -> set[UUID]:
    """Ids of those facts whose digest was seen in the last 72 h, or earlier in this batch."""
    if not facts:
        return set()
    first: dict[tuple[int, bytes], UUID] = {}
    for fact in facts:
        first.setdefault((fact.connector_id, fact.digest), fact.id)
    sql, table = dialect(), ReceiptSeen._meta.db_table
    marks = ", ".join(["(%s, %s, %s)"] * len(first))
    params = [value for key in sorted(first) for value in (*key, sql.value(now))]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (connector_id, digest, seen_at) VALUES {marks} "
            "ON CONFLICT (connector_id, digest) DO NOTHING RETURNING connector_id, digest",
            params,
        )
        new = {first[connector, bytes(digest)] for connector, digest in cursor.fetchall()}
    return {fact.id for fact in facts} - new


def _conclude(
    fact: Fact, part: PartRow | None, found: Match | None, verdict: Verdict, repeated: bool, now: datetime
) -> None:
    fact.tries += 1
    fact.part_id = part.id if part is not None else None
    fact.matched_by = found.by if found is not None and part is not None else ""
    fact.next_try_at = None
    if repeated or verdict is Verdict.REPEATS:
        fact.state = Receipt.State.DUPLICATE
    elif verdict is not Verdict.UNMATCHED:
        fact.state = Receipt.State.MATCHED
    else:
        fact.part_id, fact.matched_by = None, ""
        park(fact, now)


def park(fact: Fact, now: datetime) -> None:
    """Until its next look, by the tries so far; an orphan after PARKED_FOR. One without a mark is looked at when it is
    to become a text."""
    if now - fact.received_at >= PARKED_FOR:
        fact.state, fact.next_try_at = Receipt.State.ORPHAN, None
        return
    fact.state = Receipt.State.PARKED
    wait = REMATCH[fact.tries - 1] if fact.tries <= len(REMATCH) else HOURLY
    fact.next_try_at = now + timedelta(seconds=wait)
    decided = fact.received_at + UNMARKED_FOR
    if not fact.certain and now < decided:
        fact.next_try_at = min(fact.next_try_at, decided)


def _tell(fact: Fact, part: PartRow, verdict: Verdict, messages: Mapping[UUID, MessageRow], result: Settled) -> None:
    if verdict is Verdict.CONFLICTS:
        data = {"receipt": str(fact.id), "said": fact.status, "kept": part.status, "error_code": fact.error_code}
        if part.matched_by == shared.BY_SIBLING:
            data["kept_by"] = shared.BY_SIBLING
        result.events.append(Event(part.message_id, part.id, "dlr_conflict", data))
    message = messages.get(part.message_id)
    if verdict is not Verdict.NOTED or message is None or fact.status not in (status.ENROUTE, status.ACCEPTED):
        return
    account = accounts().account(message.account_id)
    # Whether a client asked for it stands in its message: deliveries.plan looks.
    asked = message.smpp_client_id is not None or (account is not None and account.intermediate_dlr)
    if asked and message.status not in status.FINAL:
        result.underway.append(
            Told(
                message=message,
                status=fact.status,
                error_code=fact.error_code,
                connector_id=part.connector_id,
                at=fact.received_at,
                number=deliveries.UNDERWAY,
            )
        )
