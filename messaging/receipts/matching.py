"""Which part a receipt is about: by the provider's id over all connectors of a carrier account, else by address.

Look-ups are bounded in time, because provider ids return and because a bound prunes partitions.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from common.ids import floor_at
from common.sql import dialect, hot
from messaging.lines import siblings
from messaging.models import Attempt, Receipt, Status
from messaging.receipts.reading import Fact

# The longest validity (7 days) and the 72 h in which a receipt may still come after it.
LOOK_BACK = timedelta(days=10)
# What was scheduled has the id of its acceptance, up to 30 days before it was sent.
LOOK_BACK_SCHEDULED = LOOK_BACK + timedelta(days=30)
PARKED_FOR = timedelta(hours=72)
# What reads like a receipt but is not marked as one: the answer to its submit_sm may be a few seconds behind it, and a
# person whose words they are can wait for so long.
UNMARKED_FOR = timedelta(seconds=60)
# Messages to one number within LOOK_BACK up to which a receipt may meet its part by address. Twenty a day are more than
# a phone gets; a monitoring handset or a load test gets hundreds of thousands, and to read them would outlast the
# statement timeout. Nor could it end well: of two parts that fit none is taken, and to look at the newest alone would
# hide the second one. 1,000 receipts to as many numbers of 100 messages each: 0.2 to 0.4 s (EXPLAIN, 200,000 messages).
CROWD = 200
BY_ID, BY_ADDRESS = "id", "address"
BY_ATTEMPT = "attempt"  # by the id of an earlier copy, after which the part was sent again


@dataclass(frozen=True, slots=True)
class Match:
    """The part of a receipt and how it was found; `others` went out in the same PDU (message_payload)."""

    part_id: UUID
    by: str
    others: tuple[UUID, ...] = ()
    message_id: UUID | None = None  # of all these parts, where it is known

    @property
    def part_ids(self) -> tuple[UUID, ...]:
        """Every part that the receipt is about."""
        return (self.part_id, *self.others)


@dataclass(frozen=True, slots=True)
class _Candidate:
    part_id: UUID
    message_id: UUID
    status: str
    sender: str = ""
    recipient: str = ""
    claimed_at: datetime | None = None
    expires_at: datetime | None = None
    doubted: bool = False  # an earlier copy went out without an answer, and its id is known to nobody


def owned(matches: Iterable[Match]) -> dict[UUID, UUID | None]:
    """The parts of these matches, each with its message where that is known."""
    return {key: found.message_id for found in matches for key in found.part_ids}


def may_wait(fact: Fact, now: datetime) -> bool:
    """Whether it may be a receipt without its part being known; otherwise it is a text unless it matches now."""
    return fact.certain or (bool(fact.keys) and now - fact.received_at < UNMARKED_FOR)


def match(facts: Sequence[Fact], *, now: datetime) -> dict[UUID, Match]:
    """Matches by fact id; reads without locks, so the caller looks at the part again under its lock."""
    found: dict[UUID, Match] = {}
    by_carrier: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_carrier[fact.carrier_account].append(fact)
    for carrier, group in by_carrier.items():
        recent = now - LOOK_BACK
        found |= _by_id(group, siblings(carrier), since=recent, sent=recent)
        found |= _by_attempt([fact for fact in group if fact.id not in found], siblings(carrier), since=recent)
        left = [fact for fact in group if fact.id not in found and fact.certain]
        found |= _by_id(left, siblings(carrier), since=now - LOOK_BACK_SCHEDULED, sent=recent)
        left = [fact for fact in left if fact.id not in found]
        found |= _by_address(left, siblings(carrier), now=now)
    return found


def _by_id(
    facts: Sequence[Fact], connector_ids: Sequence[int], *, since: datetime, sent: datetime
) -> dict[UUID, Match]:
    """Parts accepted from `since` and sent from `sent` on: an older one with this id is another message's."""
    keys = {key for fact in facts for key in fact.keys}
    known = _parts_with(keys, connector_ids, since=since, sent=sent)
    found = {}
    for fact in facts:
        key = next((key for key in fact.keys if key in known), None)
        if key is not None:
            found[fact.id] = _match_of(_best(known[key], fact), known[key])
    return found


def _match_of(best: _Candidate, candidates: Sequence[_Candidate]) -> Match:
    """A message that went out whole has one id for all its parts."""
    same = [part.part_id for part in candidates if part.message_id == best.message_id]
    others = tuple(part_id for part_id in same if part_id != best.part_id) if len(same) > 1 else ()
    return Match(best.part_id, BY_ID, others, best.message_id)


def _parts_with(
    keys: Collection[str], connector_ids: Sequence[int], *, since: datetime, sent: datetime
) -> dict[str, list[_Candidate]]:
    known: dict[str, list[_Candidate]] = defaultdict(list)
    if not keys or not connector_ids:
        return known
    sql = dialect()
    carried, lines = sql.any_of("connector_id", connector_ids, "bigint")
    found, params = sql.per_value(
        sorted(keys), "varchar",
        "SELECT provider_key, id, message_id, status FROM messaging_part WHERE provider_key = v_value "
        # No upper end: with both the planner would rather read all ids between them, until it has statistics.
        f"AND provider_key <> '' AND id >= %s AND {carried} AND submitted_at >= %s",
        [sql.value(floor_at(since)), *lines, sql.value(sent)],
    )  # fmt: skip
    with hot() as cursor:
        cursor.execute(f"{found} ORDER BY id", params)
        for key, part_id, message_id, status in cursor.fetchall():
            known[key].append(_Candidate(sql.uuid(part_id), sql.uuid(message_id), status))
    return _with_addresses(known)


def _by_attempt(facts: Sequence[Fact], connector_ids: Sequence[int], *, since: datetime) -> dict[UUID, Match]:
    """Parts of which the carrier took an earlier copy under this id, before they were sent over another connector."""
    keys = sorted({key for fact in facts for key in fact.keys})
    if not keys or not connector_ids:
        return {}
    sql = dialect()
    named, names = sql.any_of("provider_key", keys, "varchar")
    carried, lines = sql.any_of("connector_id", connector_ids, "bigint")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT provider_key, part_id, message_id FROM {Attempt._meta.db_table} "
            f"WHERE {named} AND provider_key <> '' AND id >= %s AND {carried} ORDER BY id",
            [*names, sql.value(floor_at(since)), *lines],
        )
        known = {key: (sql.uuid(part_id), sql.uuid(message_id)) for key, part_id, message_id in cursor.fetchall()}
    found = {}
    for fact in facts:
        key = next((key for key in fact.keys if key in known), None)
        if key is not None:
            found[fact.id] = Match(known[key][0], BY_ATTEMPT, (), known[key][1])
    return found


def _with_addresses(known: dict[str, list[_Candidate]]) -> dict[str, list[_Candidate]]:
    """Where a provider used an id twice the addresses decide; else nobody looks at them."""
    doubtful = {part.message_id for parts in known.values() if len(parts) > 1 for part in parts}
    if not doubtful:
        return known
    sql = dialect()
    among, ids = sql.any_of("id", sorted(doubtful))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, sender, recipient FROM messaging_message WHERE {among}", ids)
        addresses = {sql.uuid(key): (sender, recipient) for key, sender, recipient in cursor.fetchall()}
    return {key: [_addressed(part, addresses) for part in parts] for key, parts in known.items()}


def _addressed(part: _Candidate, addresses: Mapping[UUID, tuple[str, str]]) -> _Candidate:
    sender, recipient = addresses.get(part.message_id, ("", ""))
    return replace(part, sender=sender, recipient=recipient)


def _best(candidates: Sequence[_Candidate], fact: Fact) -> _Candidate:
    """Where a provider used an id twice: the part to that number, still open, the newest."""
    if len(candidates) == 1:
        return candidates[0]
    return max(
        candidates,
        key=lambda part: (_addresses_agree(part, fact), part.status == Status.SUBMITTED, part.part_id),
    )


def _by_address(facts: Sequence[Fact], connector_ids: Sequence[int], *, now: datetime) -> dict[UUID, Match]:
    """An UNCERTAIN part is settled by a receipt when both addresses agree, the receipt came between the write and
    the end of validity, and no other part of the carrier account qualifies of which a copy went out without an id:
    also none that was sent again since, because the receipt may be its first copy's."""
    if not facts or not connector_ids:
        return {}
    waiting = _parts_without_id(connector_ids, {_digits(a) for f in facts for a in (f.source, f.destination)}, now=now)
    found = {}
    for fact in facts:
        fitting = [part for part in waiting if _addresses_agree(part, fact) and _in_time(part, fact)]
        if len(fitting) == 1 and fitting[0].status == Status.UNCERTAIN:
            found[fact.id] = Match(fitting[0].part_id, BY_ADDRESS, (), fitting[0].message_id)
    return found


def _parts_without_id(connector_ids: Sequence[int], recipients: Collection[str], *, now: datetime) -> list[_Candidate]:
    """Parts to these numbers with a copy whose answer we do not have; all but UNCERTAIN ones only make it ambiguous.

    None to a number that gets so many messages that they cannot all be looked at.
    """
    sql = dialect()
    low, high = _window(now - LOOK_BACK, now)
    few = _not_crowded(recipients, low, high)
    if not few:
        return []
    carried, lines = sql.any_of("p.connector_id", connector_ids, "bigint")
    found, params = sql.per_value(
        few, "varchar",
        "SELECT p.id AS part_id, m.id, p.status, m.sender, m.recipient, p.claimed_at, p.expires_at, "
        "p.possible_duplicate FROM messaging_message m, messaging_part p WHERE m.recipient = v_value "
        f"AND m.id >= %s AND m.id < %s AND p.message_id = m.id AND p.id >= %s AND p.id < %s AND {carried} "
        "AND (p.status IN ('UNCERTAIN', 'SUBMITTING') OR p.possible_duplicate)",
        [low, high, low, high, *lines],
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(found, params)
        rows = cursor.fetchall()
    return [
        _Candidate(
            sql.uuid(a), sql.uuid(b), status, sender, recipient, sql.moment(claimed), sql.moment(expires), bool(doubted)
        )
        for a, b, status, sender, recipient, claimed, expires, doubted in rows
    ]


def _not_crowded(recipients: Collection[str], low: Any, high: Any) -> list[str]:
    """Those of the numbers that got no more than CROWD messages; none is read further than that."""
    source, params = dialect().rows("v", [("v_number", "varchar")], [(number,) for number in sorted(recipients)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT v_number FROM {source} WHERE (SELECT id FROM messaging_message WHERE recipient = v_number "
            f"AND id >= %s AND id < %s ORDER BY id DESC LIMIT 1 OFFSET {CROWD}) IS NULL",
            [*params, low, high],
        )
        return [number for (number,) in cursor.fetchall()]


def _window(since: datetime, until: datetime) -> tuple[Any, Any]:
    """The ids drawn in a time; both ends, because an open one would read every later month."""
    value = dialect().value
    return value(floor_at(since)), value(floor_at(until + timedelta(hours=1)))


def _in_time(part: _Candidate, fact: Fact) -> bool:
    if part.expires_at is not None and fact.received_at > part.expires_at:
        return False
    # Of a part that was sent again we know only when the later copy was claimed.
    return part.doubted or (part.claimed_at is not None and fact.received_at >= part.claimed_at)


def _addresses_agree(part: _Candidate, fact: Fact) -> bool:
    """Both addresses, in either order: most links put the handset into the source, some do not swap them."""
    ours = (_digits(part.recipient), _digits(part.sender))
    theirs = (_digits(fact.source), _digits(fact.destination))
    return ours in (theirs, theirs[::-1])


def _digits(address: str) -> str:
    """An address without the signs in which links differ: plus, leading zeros, case of letters."""
    return address.casefold().lstrip("+0")


def parked(carrier_account: str, keys: Iterable[str], *, now: datetime) -> list[Fact]:
    """Parked receipts with these ids; without a lock."""
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return []
    sql = dialect()
    named, names = sql.any_of("provider_key", wanted, "varchar")
    low, high = floor_at(now - PARKED_FOR - timedelta(hours=1)), floor_at(now + timedelta(hours=1))
    with hot() as cursor:  # twice for every batch of answers, and mostly there are none
        cursor.execute(
            f"SELECT id FROM {Receipt._meta.db_table} WHERE carrier_account = %s AND {named} "
            "AND state = 'PARKED' AND id >= %s AND id < %s",
            [carrier_account, *names, sql.value(low), sql.value(high)],
        )
        ids = [sql.uuid(row[0]) for row in cursor.fetchall()]
    return [fact_of(row) for row in Receipt.objects.filter(id__in=ids).order_by("id")] if ids else []


def fact_of(row: Receipt) -> Fact:
    """A stored receipt as the fact it was."""
    return Fact(
        id=row.id,
        connector_id=row.connector_id,
        bind_no=row.bind_no,
        carrier_account=row.carrier_account,
        provider_id=row.provider_id,
        provider_key=row.provider_key,
        other_key="",
        status=row.status,
        error_code=row.error_code,
        source=row.source,
        destination=row.destination,
        submit_date=row.submit_date,
        done_date=row.done_date,
        raw=row.raw,
        received_at=row.received_at,
        certain=True,
        state=row.state,
        tries=row.tries,
    )
