"""What the doctor reads: receipts without a message, messages without a receipt, and the last receipts that met theirs.

Every read is bounded and goes through an index or a stretch of the key; none of them counts or locks.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from common.ids import floor_at
from common.sql import dialect
from messaging.lines import line_name, siblings
from messaging.models import Part, Receipt
from messaging.receipts.doctor.clocks import Dated
from messaging.receipts.doctor.diagnosis import LONGEST, Sent, Unmatched, digits
from messaging.receipts.matching import BY_ID, PARKED_FOR
from messaging.receipts.parked import WITHOUT_A_PART
from smpp.codec import decode
from smpp.errors import PduError
from smpp.receipts import read_receipt

# A receipt is given up after 72 h; for as long again the doctor still looks at it.
UNMATCHED_FOR = 2 * PARKED_FOR
NEWEST = 2000
PARTS = 20_000
STRETCH = 5000  # receipts of all carriers among which the last ones of an account are looked for
LAST = 200
STRAYS = 200  # receipts whose messages are looked for on the lines of other accounts


@dataclass(frozen=True, slots=True)
class Last:
    """The newest receipts of an account: ids (of the answer, of the receipt) that met, and the dates of all."""

    met: Sequence[tuple[str, str]]
    dated: Sequence[Dated]


Place = tuple[datetime, UUID]
"""Where a receipt stands in the order in which they came."""


def unmatched(carrier_account: str, *, now: datetime) -> list[Unmatched]:
    """The newest receipts that wait or were given up, in the order in which they came."""
    return sorted(_read(_waiting(carrier_account, now).order_by("-received_at", "-id")[:NEWEST]), key=place)


def unmatched_after(carrier_account: str, after: Place, *, now: datetime, limit: int) -> list[Unmatched]:
    """The first of them that came after this place."""
    at, key = after
    later = Q(received_at__gt=at) | Q(received_at=at, id__gt=key)
    waiting = _waiting(carrier_account, now).filter(later, received_at__gte=at)
    return _read(waiting.order_by("received_at", "id")[:limit])


def some_unmatched(carrier_account: str, *, now: datetime, number: int) -> bool:
    """Whether there are at least so many: one probe of an index."""
    newest = _waiting(carrier_account, now).order_by("-received_at", "-id")
    return bool(newest.values_list("id", flat=True)[number - 1 : number])


def place(receipt: Unmatched) -> Place:
    """The receipt's place."""
    return receipt.received_at, receipt.id


def _waiting(carrier_account: str, now: datetime) -> "QuerySet[Receipt]":
    since = now - UNMATCHED_FOR
    # The bound of the ids leaves out the months before; an hour for clocks that differ.
    low = floor_at(since - timedelta(hours=1))
    return Receipt.objects.filter(
        carrier_account=carrier_account, state__in=WITHOUT_A_PART, received_at__gte=since, id__gte=low
    )


def _read(waiting: "QuerySet[Receipt]") -> list[Unmatched]:
    rows = waiting.values_list("id", "provider_id", "source", "destination", "received_at")
    return [Unmatched(key, provider_id, (digits(a), digits(b)), at) for key, provider_id, a, b, at in rows]


def sent(carrier_account: str, receipts: Collection[Unmatched]) -> list[Sent]:
    """What the account's carrier took to a number in these receipts: parts without a final one, and earlier copies."""
    lines = siblings(carrier_account)
    numbers = sorted({number for receipt in receipts for number in receipt.numbers if number})
    if not lines or not numbers:
        return []
    came = [receipt.received_at for receipt in receipts]
    return [*_parts(lines, numbers, min(came), max(came)), *_first_copies(lines, numbers, min(came), max(came))]


def elsewhere(carrier_account: str, receipts: Sequence[Unmatched]) -> Counter[str]:
    """How many of the newest receipts name, by id and number, a message that went over a line of another account; by
    the name of that line.

    So it is when one login at a carrier serves lines that are not told to be one account: the carrier reports over
    whichever bind it likes.
    """
    newest = {receipt.provider_id: receipt for receipt in receipts[-STRAYS:] if receipt.provider_id}
    if not newest:
        return Counter()
    low = floor_at(min(receipt.received_at for receipt in newest.values()) - LONGEST)
    others = Part.objects.filter(id__gte=low, provider_key__in=newest).exclude(provider_key="")
    found = others.exclude(connector_id__in=siblings(carrier_account)).values_list(
        "connector_id", "provider_key", "message__recipient"
    )
    return Counter(line_name(number) for number, key, to in found if digits(to) in newest[key].numbers)


def _parts(lines: Sequence[int], numbers: Sequence[str], first: datetime, last: datetime) -> list[Sent]:
    """The newest."""
    sql = dialect()
    carried, carriers = sql.any_of("p.connector_id", lines, "bigint")
    low, high = sql.value(floor_at(first - LONGEST)), sql.value(floor_at(last + timedelta(hours=1)))
    found, params = sql.per_value(
        numbers, "varchar",
        "SELECT p.id, m.id AS message_id, p.provider_id, m.recipient, p.submitted_at "
        "FROM messaging_message m JOIN messaging_part p ON p.message_id = m.id WHERE m.recipient = v_value "
        f"AND m.id >= %s AND m.id < %s AND p.id >= %s AND p.id < %s AND {carried} AND p.provider_id <> '' "
        "AND p.status IN ('SUBMITTED', 'UNCERTAIN', 'UNKNOWN') AND p.submitted_at IS NOT NULL",
        [low, high, low, high, *carriers],
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"{found} ORDER BY 2 DESC LIMIT {PARTS}", params)
        rows = cursor.fetchall()
    return [_sent(*row) for row in rows]


def _first_copies(lines: Sequence[int], numbers: Sequence[str], first: datetime, last: datetime) -> list[Sent]:
    """The newest of those that were sent over another connector as well, because no receipt met them in time.

    That may have been long after the receipt came: just where ids do not meet, no receipt comes in time.
    """
    sql = dialect()
    carried, carriers = sql.any_of("a.connector_id", lines, "bigint")
    low, high = sql.value(floor_at(first - LONGEST)), sql.value(floor_at(last + timedelta(hours=1)))
    latest = sql.value(floor_at(last + LONGEST))
    found, params = sql.per_value(
        numbers, "varchar",
        "SELECT a.id, m.id AS message_id, a.provider_id, m.recipient, a.started_at "
        "FROM messaging_message m JOIN messaging_attempt a ON a.message_id = m.id WHERE m.recipient = v_value "
        f"AND m.id >= %s AND m.id < %s AND a.id >= %s AND a.id < %s AND {carried} AND a.provider_id <> '' "
        "AND a.started_at IS NOT NULL",
        [low, high, low, latest, *carriers],
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"{found} ORDER BY 2 DESC LIMIT {PARTS}", params)
        rows = cursor.fetchall()
    return [_sent(*row, is_attempt=True) for row in rows]


def _sent(key: object, message: object, provider_id: str, number: str, at: object, *, is_attempt: bool = False) -> Sent:
    sql = dialect()
    submitted = sql.moment(at)
    assert submitted is not None
    return Sent(sql.uuid(key), sql.uuid(message), provider_id, digits(number), submitted, is_attempt)


def last_receipts(carrier_account: str) -> Last:
    """The newest receipts of the account, matched or not, among the newest of all."""
    stretch = Receipt.objects.order_by("-id").values_list("id", flat=True)[STRETCH - 1 : STRETCH]
    since = next(iter(stretch), UUID(int=0))
    of_account = Receipt.objects.filter(carrier_account=carrier_account, id__gte=since).order_by("-id")[:LAST]
    rows = list(of_account.values_list("provider_id", "part_id", "matched_by", "raw", "received_at"))
    parts = {part_id for _, part_id, by, _, _ in rows if part_id and by == BY_ID}
    answers = dict(Part.objects.filter(id__in=parts).values_list("id", "provider_id"))
    met = [(answers[part_id], provider_id) for provider_id, part_id, *_ in rows if part_id in answers]
    return Last(met, [date for *_, raw, at in rows if (date := _dated(raw, at)) is not None])


def _dated(raw: str, received_at: datetime) -> Dated | None:
    try:
        found = read_receipt(decode(bytes.fromhex(raw)))
    except (PduError, ValueError):  # it was stored by another version, or by hand
        return None
    if found is None or found.done is None:
        return None
    return Dated(found.done, found.done_digits, received_at)
