"""One receipt for all parts of a long message: carriers that report on the first, the last or any part only
(Connector.dlr_parts).

What decides is how the parts stand under their locks, not which event came last: a part that has a final of its own
keeps it, and the others that went over the same connector follow the part that speaks for them. So it does not matter
whether the receipt or the answers came first. Parts that no carrier has taken, or another connector, are left alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from connectors.models import DlrParts
from connectors.snapshot import connectors
from messaging import status
from messaging.finals import Ended
from messaging.lines import line, siblings
from messaging.models import Status
from messaging.receipts.matching import BY_ADDRESS, BY_ID, Match
from messaging.receipts.order import Name
from messaging.receipts.reading import Fact
from messaging.rows import MessageRow, PartRow

BY_SIBLING = "sibling"  # by the receipt for another part of the message
FINAL_COLUMNS = (("done_at", "timestamptz"), ("error_code", "varchar"), ("matched_by", "varchar"))
# Not by an earlier copy: that one went over another connector than the row names.
_OF_ITS_OWN = (BY_ID, BY_ADDRESS)


def speaks(mode: str, seq: int, total: int) -> bool:
    """Whether part `seq` (1 …) of `total` is one that the carrier reports on."""
    if mode == DlrParts.FIRST:
        return seq == 1
    if mode == DlrParts.LAST:
        return seq == total
    return True


def in_use() -> bool:
    """Whether parts share a receipt over any connector."""
    return any(view.dlr_parts != DlrParts.EACH for view in connectors().by_id.values())


def families(facts: Sequence[Fact], matches: Mapping[UUID, Match]) -> dict[UUID, UUID]:
    """Messages of which these receipts, in order, may settle more parts than they match, or a part that follows
    another, each with the last such receipt: to be locked with all their parts."""
    accounts = {fact.carrier_account for fact in facts}
    sharing = {name for name in accounts if any(_mode(number) != DlrParts.EACH for number in siblings(name))}
    if not sharing:
        return {}
    known = [(fact, matches[fact.id]) for fact in facts if fact.carrier_account in sharing and fact.id in matches]
    return {
        found.message_id: fact.id
        for fact, found in known
        if found.message_id is not None and (fact.status in status.RECEIPT_FINALS or found.by == BY_ADDRESS)
    }


def followers_names(parts: Iterable[PartRow], families: Mapping[UUID, UUID]) -> dict[Name, UUID]:
    """Under which names a receipt of its own would come for each part that may follow another one, with the last
    receipt for its message as `families` tells it: of two the one that came first must settle."""
    following = [part for part in parts if part.message_id in families and part.provider_key and _waits(part)]
    views = [(part, line(part.connector_id)) for part in following]
    return {
        (view.carrier_account, part.provider_key): families[part.message_id]
        for part, view in views
        if view is not None and view.dlr_parts != DlrParts.EACH
    }


def settle_siblings(
    changed: Sequence[PartRow], parts: Mapping[UUID, PartRow], messages: Mapping[UUID, MessageRow]
) -> list[Ended]:
    """Move what follows another part, in the messages of the `changed` ones; returns it for `finals.finish`.

    The caller holds the locks of `rows.lock_with_siblings`. Of two parts whose receipts came at one moment the one
    that stands first in `changed` speaks.
    """
    modes = {number: _mode(number) for number in {part.connector_id for part in changed}}
    sharing = [part for part in changed if modes[part.connector_id] != DlrParts.EACH and part.message_id in messages]
    if not sharing:
        return []
    ended = []
    for message_id, connector_id, group in _groups(sharing, parts):
        ended += _followers(group, modes[connector_id], messages[message_id].parts)
    _move(ended)
    return ended


def _groups(changed: Sequence[PartRow], parts: Mapping[UUID, PartRow]) -> Iterator[tuple[UUID, int, list[PartRow]]]:
    """Parts that went over one connector, by message and connector; those that have just changed last, in order."""
    ranks = {part.id: rank for rank, part in enumerate(changed)}
    groups: dict[tuple[UUID, int], list[PartRow]] = {(part.message_id, part.connector_id): [] for part in changed}
    for part in sorted(parts.values(), key=lambda part: ranks.get(part.id, -1)):
        group = groups.get((part.message_id, part.connector_id))
        if group is not None:
            group.append(part)
    return ((*key, group) for key, group in groups.items())


def shares(part: PartRow) -> bool:
    """Whether the carrier that has the part may report on it by another one."""
    return _mode(part.connector_id) != DlrParts.EACH


def _mode(connector_id: int) -> str:
    view = line(connector_id)
    return view.dlr_parts if view is not None else DlrParts.EACH


def _followers(group: Sequence[PartRow], mode: str, total: int) -> list[Ended]:
    """What follows the part whose own receipt says it for all of them; of several the one whose receipt came first."""
    spoken = [(part.done_at, part) for part in group if part.done_at is not None and _has_its_own(part)]
    entitled = [(at, part) for at, part in spoken if speaks(mode, part.seq, total)]
    if not entitled:
        return []
    at, speaker = min(entitled, key=itemgetter(0))
    return [_follow(part, speaker, at) for part in group if _waits(part)]


def _follow(part: PartRow, speaker: PartRow, at: datetime) -> Ended:
    part.status, part.done_at, part.error_code = speaker.status, at, speaker.error_code
    part.matched_by = BY_SIBLING
    return Ended(part=part, status=Status(part.status), at=at, error_code=part.error_code)


def _has_its_own(part: PartRow) -> bool:
    return part.matched_by in _OF_ITS_OWN and part.status in status.RECEIPT_FINALS


def _waits(part: PartRow) -> bool:
    """Taken by a carrier and without a final of its own; UNKNOWN by a timeout is none."""
    return part.status == Status.SUBMITTED or (part.status == Status.UNKNOWN and part.submitted_at is not None)


def _move(ended: Iterable[Ended]) -> None:
    moves: dict[Status, dict[UUID, tuple[Any, ...]]] = defaultdict(dict)
    for end in ended:
        moves[end.status][end.part.id] = (end.at, end.error_code, BY_SIBLING)
    for to in sorted(moves):
        status.move(to, moves[to], columns=FINAL_COLUMNS)
