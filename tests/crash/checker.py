"""The judge: sets what the customers, the carrier and the webhooks' receiver saw against the gateway's export.

It uses no code of the product. Every figure is a count of so many: `0 of 50,000` is a result, silence is none.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from tests.crash.evidence import Copy, Evidence, Row, Sent, Told

WINDOW, UNRECORDED, AHEAD_SECONDS = 100, 500, 0.05  # what one fault may leave in doubt (reliability P2)
COMMIT_SECONDS = 2.0  # an answer of the carrier is committed long before, when nothing is broken
EXAMPLES = 10
FINAL = frozenset(
    {"DELIVERED", "UNDELIVERED", "EXPIRED", "REJECTED", "DELETED", "UNKNOWN", "CANCELLED", "FAILED", "BLOCKED"}
)
NOT_SENT = frozenset({"BLOCKED", "CANCELLED", "EXPIRED", "FAILED", "REJECTED"})  # and with a reason
TOLD = "DELIVRD"  # what the carrier of these runs does with every message


@dataclass(slots=True)
class Figure:
    """A count `of` so many; `limit` None: worth knowing, else more than that breaks the promise."""

    name: str
    count: int | str
    of: int
    limit: int | None = 0
    examples: list[str] = field(default_factory=list)
    meaning: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promise holds."""
        return self.limit is None or Decimal(self.count) <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "holds": self.holds}


class Case:
    """The evidence, put in order once."""

    def __init__(self, evidence: Evidence, rate: float = 50.0, window: int = WINDOW) -> None:
        self.evidence, self.rate, self.window = evidence, rate, window
        self.rows_of: dict[int, list[Row]] = {number: [] for number in evidence.sent}
        for row in evidence.messages:
            self.rows_of.setdefault(_number(row), []).append(row)
        self.copies_of: dict[int, list[Copy]] = {number: [] for number in evidence.sent}
        self.strange: list[Copy] = []
        for copy in evidence.copies:
            number = evidence.number_of(copy.to)
            if number is None:
                self.strange.append(copy)
            else:
                self.copies_of[number].append(copy)
        self.told_of: dict[str, list[Told]] = defaultdict(list)
        for told in evidence.told:
            self.told_of[told.id].append(told)
        self.accepted = [message for message in evidence.sent.values() if message.accepted]
        self.never = [message for message in evidence.sent.values() if message.never]
        self.unknown = [message for message in evidence.sent.values() if message.unknown]

    def missing(self, message: Sent) -> list[int]:
        """The parts that the carrier has not seen."""
        seen = {copy.seq for copy in self.copies_of[message.number]}
        return [seq for seq in range(1, message.parts + 1) if seq not in seen]

    def status(self, message: Sent) -> str:
        """The status of its row, empty without one."""
        rows = self.rows_of[message.number]
        return rows[0]["status"] if rows else ""

    def flagged(self, number: int) -> bool:
        """Whether the gateway says itself that this one may have been sent twice."""
        return any(row["possible_duplicate"] == "True" for row in self.rows_of[number])


def judge(evidence: Evidence, *, rate: float = 50.0, window: int = WINDOW) -> list[Figure]:
    """Every figure of the run; `rate` in messages a second, `window` of the connector."""
    case = Case(evidence, rate, window)
    found: list[Figure] = []
    for check in (_lost, _texts, _duplicates, _refused, _unknown, _keys, _callbacks, _ends, _money, _poor, _strangers):
        found += check(case)
    return found


def _count(name: str, items: Iterable[Any], of: int, meaning: str, *, limit: int | None = 0) -> Figure:
    listed = list(items)
    return Figure(name, len(listed), of, limit, [str(item) for item in listed[:EXAMPLES]], meaning)


def _lost(case: Case) -> list[Figure]:
    lost, reasoned = [], []
    for message in case.accepted:
        if not case.missing(message):
            continue
        status = case.status(message)
        if status in NOT_SENT:
            reasoned.append(f"{message.number} {status}")
        elif status in FINAL or not status:
            lost.append(f"{message.number} {status or 'no row'}")
    of = len(case.accepted)
    return [
        _count("lost", lost, of, "acknowledged, not at the carrier, and no row that says why not"),
        _count("not_sent_with_reason", reasoned, of, "acknowledged, ended unsent in a legal state", limit=None),
    ]


def _texts(case: Case) -> list[Figure]:
    wrong = []
    for message in [*case.accepted, *case.unknown]:
        parts = {copy.seq: copy.text for copy in case.copies_of[message.number]}
        if len(parts) == message.parts and "".join(parts[seq] for seq in sorted(parts)) != message.content:
            wrong.append(message.number)
    return [_count("wrong_text", wrong, len(case.accepted), "what the handset reads is not what was sent")]


def _duplicates(case: Case) -> list[Figure]:
    sure, unflagged, doubled = [], [], []
    blamed: Counter[int] = Counter()
    for number, copies in case.copies_of.items():
        for first, second in _repeats(copies):
            doubled.append(f"{number}/{first.seq}")
            window = _window(case, first)
            if _told_before(case, number, second.at) or window is None:
                sure.append(f"{number}/{first.seq} at {first.at:.3f} and {second.at:.3f}")
            else:
                blamed[window] += 1
            if not case.flagged(number):
                unflagged.append(f"{number}/{first.seq}")
    bound = case.window + UNRECORDED + round(case.rate * AHEAD_SECONDS)
    worst = max(blamed.values(), default=0)
    of = len(case.evidence.copies)
    return [
        _count("sure_duplicates", sure, of, "a copy although the answer to the first was committed"),
        _count("unflagged_duplicates", unflagged, of, "copies of messages without possible_duplicate"),
        _count("ambiguous_duplicates", doubled, of, "all copies: a fault left open whether it had left", limit=None),
        Figure("ambiguous_of_one_fault", worst, len(case.evidence.windows), bound, meaning="the most copies of one"),
    ]


def _repeats(copies: list[Copy]) -> list[tuple[Copy, Copy]]:
    """(a copy, the next one of the same part)."""
    by_part: dict[int, list[Copy]] = defaultdict(list)
    for copy in sorted(copies, key=lambda copy: copy.at):
        by_part[copy.seq].append(copy)
    return [pair for same in by_part.values() for pair in itertools.pairwise(same)]


def _window(case: Case, first: Copy) -> int | None:
    """The fault that may have kept the answer to this copy from being committed."""
    for window in reversed(case.evidence.windows):
        if window.began - COMMIT_SECONDS <= first.at <= window.whole + COMMIT_SECONDS:
            return window.number
    return None


def _told_before(case: Case, number: int, moment: float) -> bool:
    """Its end was told to the customer, so the answer to the first copy cannot have been unknown."""
    ids = case.evidence.sent[number].ids | {row["message_id"] for row in case.rows_of[number]}
    return any(told.at < moment for message_id in ids for told in case.told_of[message_id])


def _refused(case: Case) -> list[Figure]:
    sent = [message.number for message in case.never if case.copies_of[message.number]]
    billed = [message.number for message in case.never if case.rows_of[message.number]]
    of = len(case.never)
    return [
        _count("refused_but_sent", sent, of, "refused, and the carrier has it"),
        _count("refused_but_billed", billed, of, "refused, and there is a row that was charged"),
    ]


def _unknown(case: Case) -> list[Figure]:
    """An error or no answer, without a key to ask again: it is sent and billed once, or not at all (rule 1.3)."""
    there = [message for message in case.unknown if case.rows_of[message.number]]
    half = [message.number for message in there if case.missing(message) and case.status(message) not in NOT_SENT]
    ghosts = [m.number for m in case.unknown if case.copies_of[m.number] and not case.rows_of[m.number]]
    answered = [message.number for message in there if not message.key]
    return [
        _count(
            "error_yet_accepted", answered, len(case.unknown), "no answer or an error, no key, yet sent", limit=None
        ),
        _count("unknown_half_done", half, len(there), "no answer came; there is a row, but it was not sent"),
        _count("sent_without_row", ghosts, len(case.unknown), "the carrier has it, the gateway does not know it"),
    ]


def _keys(case: Case) -> list[Figure]:
    keyed = [message for message in case.evidence.sent.values() if message.key]
    mismatched = [f"{message.number} {sorted(message.ids)}" for message in keyed if len(message.ids) > 1]
    doubled = [number for number, rows in case.rows_of.items() if len(rows) > 1]
    return [
        _count("idempotency_mismatches", mismatched, len(keyed), "one key was answered with two ids"),
        _count("doubled_rows", doubled, len(case.evidence.messages), "one request became two messages"),
    ]


def _callbacks(case: Case) -> list[Figure]:
    missing, doubled, wrong, repeated = [], [], [], 0
    for message in case.accepted:
        for message_id in message.ids:
            told = case.told_of[message_id]
            if not told:
                missing.append(f"{message.number} {case.status(message)}")
            if len({one.event for one in told}) > 1:
                doubled.append(message.number)
            if any(one.status != TOLD for one in told):
                wrong.append(f"{message.number} {sorted({one.status for one in told})}")
            repeated += max(0, len(told) - 1)
    of = len(case.accepted)
    return [
        _count("callbacks_missing", missing, of, "acknowledged, and its end was never told"),
        _count("callbacks_doubled", doubled, of, "its end was told under two event ids"),
        _count("callbacks_wrong", wrong, of, "the carrier delivered it, the customer heard something else"),
        Figure("callbacks_repeated", repeated, of, None, meaning="the same event once more, which is allowed"),
    ]


def _ends(case: Case) -> list[Figure]:
    stuck = [f"{_number(row)} {row['status']}" for row in case.evidence.messages if row["status"] not in FINAL]
    flags = [_number(row) for row in case.evidence.messages if row["possible_duplicate"] == "True"]
    of = len(case.evidence.messages)
    return [
        _count("stuck", stuck, of, "not final after the calm"),
        _count("flagged", flags, of, "possible_duplicate", limit=None),
    ]


def _money(case: Case) -> list[Figure]:
    """What was sold, by the senders' own count of parts, against what the ledger moved."""
    price, of = case.evidence.price, len(case.evidence.messages)
    expected: Decimal = sum((price * case.evidence.sent[n].parts for n in _sold(case)), Decimal(0))
    moved = Counter[str]()
    for row in case.evidence.transfers:
        moved[row["reason"]] += Decimal(row["amount"])  # type: ignore[assignment]
    charged = Decimal(moved["charge"])
    wrong = [
        _number(row)
        for row in case.evidence.messages
        if (known := case.evidence.sent.get(_number(row))) and Decimal(row["price"]) != price * known.parts
    ]
    returned = [reason for reason in moved if reason not in ("charge", "top_up")]
    unpaid = [_number(row) for row in case.evidence.messages if not row["charge"]]
    opened = sum(case.evidence.opening.values(), Decimal(0))
    difference = abs(charged - expected) + abs(Decimal(moved["top_up"]) - opened)
    return [
        Figure("ledger_difference", str(difference), of, 0, meaning=f"credits between {expected} sold and {charged}"),
        _count("wrong_price", wrong, of, "price of a row is not parts × rate"),
        _count("unpaid", unpaid, of, "a row without a charge"),
        _count("other_movements", returned, len(case.evidence.transfers), "refunds where nothing failed"),
    ]


def _sold(case: Case) -> set[int]:
    """What must have been paid: everything acknowledged, and what was accepted without an answer."""
    accepted = {message.number for message in case.accepted}
    return accepted | {message.number for message in case.unknown if case.rows_of[message.number]}


def _poor(case: Case) -> list[Figure]:
    """The customer who runs out of credits: never below zero, and nothing that could be paid is refused at the end."""
    sold = [n for n in _sold(case) if case.evidence.sent[n].who == "poor"]
    left = case.evidence.opening.get("poor", Decimal(0))
    left -= sum((case.evidence.price * case.evidence.sent[n].parts for n in sold), Decimal(0))
    dips = [row["id"] for row in case.evidence.transfers if row["reason"] == "charge" and Decimal(row["after"]) < 0]
    return [
        Figure("overdrawn", int(left < 0), len(sold), 0, meaning=f"the poor customer has {left} left"),
        _count("negative_balances", dips, len(case.evidence.transfers), "charges that left less than nothing"),
    ]


def _strangers(case: Case) -> list[Figure]:
    rows = [row["message_id"] for row in case.evidence.messages if _number(row) not in case.evidence.sent]
    return [
        _count("strange_copies", case.strange, len(case.evidence.copies), "at the carrier, and nobody sent it"),
        _count("strange_rows", rows, len(case.evidence.messages), "a row that nobody asked for"),
    ]


def _number(row: Row) -> int:
    ref = row["client_ref"]
    return int(ref[1:]) if ref[:1] == "m" and ref[1:].isdigit() else -1
