"""Does the ledger say the truth? Invariants I1, I2, I3, I5 and I8 (reliability, money), as findings and figures.

Every check is one statement, so it sees one moment and may run under full load. What messages must say of
their money (I4, I6, I7 and the parts of I5) is in `messaging.audit`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from billing.models import Book, Reason
from billing.seals import broken_seals
from common.money import from_units
from common.sql import Row, dialect

# Who gives to whom, by reason; everything else is a transfer between the wrong books.
_LEGAL = (
    (Reason.CHARGE, Book.CUSTOMER, Book.REVENUE),
    (Reason.REFUND, Book.REVENUE, Book.CUSTOMER),
    (Reason.TOP_UP, Book.TOP_UPS, Book.CUSTOMER),
    (Reason.DEBIT, Book.CUSTOMER, Book.TOP_UPS),
    (Reason.ADJUSTMENT, Book.ADJUSTMENTS, Book.CUSTOMER),
    (Reason.ADJUSTMENT, Book.CUSTOMER, Book.ADJUSTMENTS),
)
_MOVED = "(CASE WHEN credit = 'customer' THEN amount ELSE 0 END - CASE WHEN debit = 'customer' THEN amount ELSE 0 END)"
_OTHERS = (
    "(CASE WHEN credit <> 'customer' THEN amount ELSE 0 END - CASE WHEN debit <> 'customer' THEN amount ELSE 0 END)"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken invariant, in a line that says where to look."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.text}"


@contextmanager
def patience(seconds: int = 1800) -> Iterator[None]:
    """Let the connection's statements take longer than a customer's: the audit reads whole tables."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{int(seconds)}s'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def ledger_findings(*, since: date | None = None) -> Iterator[Finding]:
    """What the ledger and the wallets contradict; `since` bounds the days whose seals are computed again."""
    yield from _books()
    yield from _balances()
    yield from _limits()
    yield from _refunds()
    for broken in broken_seals(since):
        yield Finding("I8", broken.text)


def quick_findings() -> Iterator[Finding]:
    """I2 and I3 alone: what a look of two seconds may ask of a ledger of moderate size."""
    yield from _balances()
    yield from _limits()


def ledger_figures() -> dict[str, Any]:
    """Credits in every book and the number of entries, as text with four decimals."""
    books = _fetch(
        "SELECT book, SUM(units), COUNT(*) FROM (SELECT credit AS book, amount AS units FROM billing_ledgerentry "
        "UNION ALL SELECT debit, -amount FROM billing_ledgerentry) AS sides GROUP BY book"
    )
    ((wallets, balance),) = _fetch("SELECT COUNT(*), COALESCE(SUM(balance), 0) FROM billing_wallet")
    ((entries,),) = _fetch("SELECT COUNT(*) FROM billing_ledgerentry")
    return {
        "entries": entries,
        "wallets": wallets,
        "balances": _credits(balance),
        "books": {book: _credits(units) for book, units, _ in sorted(books)},
    }


def _books() -> Iterator[Finding]:
    """I1: all books of a currency add up to nothing, and every transfer is between the books of its reason."""
    for currency, units in _fetch(
        "SELECT currency, SUM(units) FROM (SELECT currency, balance AS units FROM billing_wallet UNION ALL "
        f"SELECT currency, {_OTHERS} FROM billing_ledgerentry JOIN billing_wallet USING (account_id)) AS books "
        "GROUP BY currency HAVING SUM(units) <> 0"
    ):
        yield Finding("I1", f"the books of {currency} add up to {_credits(units)} instead of 0")
    legal = " OR ".join(
        f"(reason = '{r.value}' AND debit = '{d.value}' AND credit = '{c.value}')" for r, d, c in _LEGAL
    )
    for entry_id, reason, debit, credit in _fetch(
        f"SELECT id, reason, debit, credit FROM billing_ledgerentry WHERE NOT ({legal})"
    ):
        yield Finding("I1", f"entry {dialect().uuid(entry_id)}: a {reason} from {debit} to {credit}")


def _balances() -> Iterator[Finding]:
    """I2: each balance is the sum of its transfers, and each entry moves it by its amount."""
    for account_id, balance, moved in _fetch(
        "SELECT account_id, balance, moved FROM (SELECT w.account_id, w.balance, COALESCE(e.moved, 0) AS moved "
        f"FROM billing_wallet w LEFT JOIN (SELECT account_id, SUM({_MOVED}) AS moved FROM billing_ledgerentry "
        "GROUP BY account_id) AS e ON e.account_id = w.account_id) AS sums WHERE balance <> moved"
    ):
        yield Finding("I2", f"account {account_id}: balance {_credits(balance)}, transfers {_credits(moved)}")
    for account_id in _fetch(
        "SELECT DISTINCT account_id FROM billing_ledgerentry "
        "WHERE account_id NOT IN (SELECT account_id FROM billing_wallet)"
    ):
        yield Finding("I2", f"account {account_id[0]}: transfers without a wallet")
    for entry_id, before, after, moved in _fetch(
        f'SELECT id, "before", "after", {_MOVED} FROM billing_ledgerentry WHERE "after" - "before" <> {_MOVED}'
    ):
        text = f"entry {dialect().uuid(entry_id)}: from {_credits(before)} to {_credits(after)} by {_credits(moved)}"
        yield Finding("I2", text)


def _limits() -> Iterator[Finding]:
    """I3: nobody is below the credit limit."""
    for account_id, balance, credit_limit in _fetch(
        "SELECT account_id, balance, credit_limit FROM billing_wallet WHERE NOT unlimited AND balance < -credit_limit"
    ):
        text = f"account {account_id}: balance {_credits(balance)} is below the credit limit {_credits(credit_limit)}"
        yield Finding("I3", text)


def _refunds() -> Iterator[Finding]:
    """I5: refunds of a charge are the same account's and add up to the charge at most."""
    charge_id = "replace(CAST(c.id AS text), '-', '')"
    for reference, account_id, refunded, charged in _fetch(
        "SELECT r.reference, r.account_id, r.refunded, c.amount FROM (SELECT reference, account_id, "
        "SUM(amount) AS refunded FROM billing_ledgerentry WHERE reason = 'refund' GROUP BY reference, account_id) AS r "
        f"LEFT JOIN billing_ledgerentry c ON c.key = 'chg:' || r.reference AND {charge_id} = r.reference "
        "AND c.reason = 'charge' AND c.account_id = r.account_id WHERE c.id IS NULL OR r.refunded > c.amount"
    ):
        if charged is None:
            yield Finding("I5", f"account {account_id}: refunds of {_credits(refunded)} for no charge {reference!r}")
        else:
            yield Finding("I5", f"charge {reference}: refunds of {_credits(refunded)} for {_credits(charged)}")


def _fetch(sql: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[Row] = cursor.fetchall()
        return rows


def _credits(units: Any) -> str:
    return str(from_units(int(units)))
