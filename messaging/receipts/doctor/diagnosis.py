"""Pure: which rule would bring receipts without a message and messages without a receipt together.

A receipt and a part belong together under a rule when their ids come to the same form, the receipt names the part's
number, and it came in the part's time. Twenty messages must agree on one rule; a receipt that two rules give to
different messages is nobody's, and two rules that each bring twenty of their own are none.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from messaging.receipts.keys import Side, provider_key
from smpp.receipts import ID_RULES

ENOUGH = 20  # messages that agree (reliability, DLR matching)
# An answer may be recorded a little after its receipt was; a receipt may come 10 days after the sending.
EARLY = timedelta(minutes=5)
LONGEST = timedelta(days=10)
SHOWN = 5  # samples in a proposal


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A receipt without a message; `numbers` are its two addresses as `digits`."""

    id: UUID
    provider_id: str
    numbers: tuple[str, str]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A part that a carrier took under `provider_id` and that no receipt has settled; `number` as `digits`.

    `is_attempt`: an earlier copy of it, which another one followed over the next connector; `id` is the Attempt's.
    """

    id: UUID
    message_id: UUID
    provider_id: str
    number: str
    submitted_at: datetime
    is_attempt: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What the receipts of a carrier account say of its ids.

    `rule` is the one on which `agreeing` messages agree, "" where there is none, and then `why` says why not. `fits`
    has the number of messages for every rule that brings any together, `pairs` the parts of each receipt under `rule`.
    """

    rule: str
    agreeing: int
    why: str
    fits: Mapping[str, int]
    pairs: Mapping[UUID, tuple[Sent, ...]]


Pairs = dict[UUID, tuple[Sent, ...]]


def digits(address: str) -> str:
    """An address without the signs in which links differ: plus, leading zeros, case of letters."""
    return address.casefold().lstrip("+0")


def pair(rule: str, receipts: Iterable[Unmatched], parts: Iterable[Sent]) -> Pairs:
    """The parts of one message for each receipt under `rule`; a receipt that fits two messages fits none."""
    by_key: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    for part in parts:
        by_key[provider_key(part.provider_id, rule, side=Side.ANSWER), part.number].append(part)
    found: Pairs = {}
    for receipt in receipts:
        key = provider_key(receipt.provider_id, rule, side=Side.RECEIPT)
        near = {part.id: part for number in receipt.numbers for part in by_key.get((key, number), ())}
        fitting = tuple(part for part in near.values() if _in_time(part, receipt))
        if len({part.message_id for part in fitting}) == 1:
            found[receipt.id] = fitting
    return found


def diagnose(receipts: Sequence[Unmatched], parts: Sequence[Sent], kept: Collection[tuple[str, str]] = ()) -> Finding:
    """Find the one rule on which the receipts agree.

    `kept` are ids (of the answer, of the receipt) that meet today: a rule that would part twenty of them is none.
    """
    pairings = {rule: pair(rule, receipts, parts) for rule in ID_RULES}
    contested = _contested(pairings.values())
    pairings = {
        rule: {key: found for key, found in pairs.items() if key not in contested} for rule, pairs in pairings.items()
    }
    fits = {rule: count for rule, pairs in pairings.items() if (count := _messages(pairs))}
    # Of rules that bring the same together the mildest is meant: max takes the first of equals.
    best = max(fits, key=lambda rule: fits[rule], default="")
    why = _why_not(best, fits, pairings, kept)
    if why:
        return Finding("", 0, why, fits, {})
    return Finding(best, fits[best], "", fits, pairings[best])


def _why_not(
    best: str, fits: Mapping[str, int], pairings: Mapping[str, Pairs], kept: Collection[tuple[str, str]]
) -> str:
    if not best:
        return "no rule brings a receipt and a message together"
    if fits[best] < ENOUGH:
        return f"only {fits[best]} messages agree on {best}; {ENOUGH} are needed"
    for other, pairs in pairings.items():
        own = {key: found for key, found in pairs.items() if key not in pairings[best]}
        if _messages(own) >= ENOUGH:
            return f"two rules fit, each for other messages: {best} and {other}"
    lost = sum(not _meet(answer, receipt, best) for answer, receipt in kept)
    if lost >= ENOUGH:
        return f"{best} would part {lost} of the last {len(kept)} receipts that meet their messages today"
    return ""


def _messages(pairs: Mapping[UUID, tuple[Sent, ...]]) -> int:
    """Parts, not receipts: twenty receipts of one message are one witness."""
    return len({found[0].id for found in pairs.values()})


def _contested(pairings: Iterable[Pairs]) -> set[UUID]:
    """Receipts that rules give to different messages."""
    owners: dict[UUID, set[UUID]] = defaultdict(set)
    for pairs in pairings:
        for key, found in pairs.items():
            owners[key].add(found[0].message_id)
    return {key for key, messages in owners.items() if len(messages) > 1}


def _meet(answer: str, receipt: str, rule: str) -> bool:
    return provider_key(answer, rule, side=Side.ANSWER) == provider_key(receipt, rule, side=Side.RECEIPT)


def _in_time(part: Sent, receipt: Unmatched) -> bool:
    return part.submitted_at - EARLY <= receipt.received_at <= part.submitted_at + LONGEST


# The first form that all ids of a sample have is the form of the sample.
_FORMS: Sequence[tuple[str, re.Pattern[str]]] = (
    ("decimal", re.compile(r"[1-9][0-9]*|0")),
    ("decimal with leading zeros", re.compile(r"[0-9]+")),
    ("UUID", re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("hex, small letters", re.compile(r"[0-9a-f]+")),
    ("hex, capitals", re.compile(r"[0-9A-F]+")),
    ("hex", re.compile(r"[0-9a-fA-F]+")),
    ("letters and digits", re.compile(r"\w+")),
    ("dotted", re.compile(r"[\w.]+")),
    ("dashed", re.compile(r"[\w-]+")),
)


def form_of(ids: Collection[str]) -> str:
    """The narrowest word for the form of all these ids; "" where there are none."""
    if not ids:
        return ""
    return next((name for name, form in _FORMS if all(form.fullmatch(value) for value in ids)), "mixed")


def sample(finding: Finding, receipts: Iterable[Unmatched]) -> list[dict[str, str]]:
    """A few pairs as evidence; of the number only its end."""
    paired = [(receipt, finding.pairs[receipt.id][0]) for receipt in receipts if receipt.id in finding.pairs]
    return [
        {"answer": part.provider_id, "receipt": receipt.provider_id, "number": f"…{part.number[-4:]}"}
        for receipt, part in paired[:SHOWN]
    ]
