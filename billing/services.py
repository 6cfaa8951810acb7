"""Writes to wallets by people: open, top up, debit, adjust. Each movement is told apart by a nonce.

A nonce is drawn when the form is shown; a double click sends it twice and makes one line (reliability, 3).
"""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from accounts.models import Account
from billing import ledger, wallets
from billing.models import Book, LedgerEntry, Reason, Wallet
from common.clock import utc_now
from common.errors import Code, Rejected
from common.ids import new_id
from common.money import LIMIT, to_units

_LONGEST_NONCE = 50


@transaction.atomic
def open_wallet(*, account: Account, unlimited: bool = False, credit_limit: Decimal = Decimal(0)) -> Wallet:
    """The account's wallet, made with a balance of 0 when there is none; one that exists is left as it is."""
    wallet, _ = Wallet.objects.get_or_create(
        account=account, defaults={"unlimited": unlimited, "credit_limit": _credit_limit(credit_limit)}
    )
    return wallet


@transaction.atomic
def set_terms(*, account: Account, unlimited: bool, credit_limit: Decimal) -> Wallet:
    """Change how far the balance may go; raises Rejected(INVALID_VALUE) when it stands lower already."""
    wallet = Wallet.objects.select_for_update().get(account=account)
    wallet.unlimited, wallet.credit_limit = unlimited, _credit_limit(credit_limit)
    if not unlimited and wallet.balance < -wallet.credit_limit:
        raise _invalid("credit_limit", f"the balance is {wallet.balance} already")
    wallet.save(update_fields=["unlimited", "credit_limit"])
    return wallet


def top_up(*, account: Account, amount: Decimal, nonce: str, actor: str, description: str = "") -> LedgerEntry:
    """Add `amount` credits; the same nonce again returns the first entry.

    Raises Rejected: INVALID_VALUE (not a positive amount of 4 decimals within the limit), NOT_FOUND (no
    wallet), IDEMPOTENCY_CONFLICT (the nonce was used for another amount).
    """
    deed = _Deed(account.pk, _positive(amount), "top", Reason.TOP_UP, Book.TOP_UPS, actor, description)
    return _move(deed, nonce)


def debit(*, account: Account, amount: Decimal, nonce: str, actor: str, description: str = "") -> LedgerEntry:
    """Take `amount` credits away by hand; as `top_up`, and Rejected(NO_CREDIT) when they are not there."""
    deed = _Deed(account.pk, -_positive(amount), "deb", Reason.DEBIT, Book.TOP_UPS, actor, description)
    return _move(deed, nonce)


def adjust(*, account: Account, amount: Decimal, nonce: str, actor: str, description: str) -> LedgerEntry:
    """Correct the balance by `amount` credits, up or (negative) down, never 0; otherwise as `debit`."""
    units = -_positive(-amount) if amount.is_signed() else _positive(amount)
    deed = _Deed(account.pk, units, "adj", Reason.ADJUSTMENT, Book.ADJUSTMENTS, actor, description)
    return _move(deed, nonce)


def balance_of(account_id: int) -> Decimal:
    """Credits in the account's wallet; raises Rejected(NOT_FOUND) without one."""
    wallet = Wallet.objects.filter(pk=account_id).first()
    if wallet is None:
        raise Rejected(Code.NOT_FOUND, "This account has no wallet")
    balance: Decimal = wallet.balance
    return balance


@dataclass(frozen=True, slots=True)
class _Deed:
    """One movement by hand: `units` signed as the customer's balance moves, `book` the other side."""

    account_id: int
    units: int
    kind: str
    reason: Reason
    book: Book
    actor: str
    description: str

    def line(self, key: str, before: int) -> ledger.Line:
        """Its line in the ledger."""
        gain = self.units > 0
        return ledger.Line(
            id=new_id(),
            key=key,
            account_id=self.account_id,
            debit=self.book if gain else Book.CUSTOMER,
            credit=Book.CUSTOMER if gain else self.book,
            amount=abs(self.units),
            before=before,
            reason=self.reason,
            description=self.description,
            source="manual",
            actor=self.actor,
        )


@transaction.atomic
def _move(deed: _Deed, nonce: str) -> LedgerEntry:
    key = f"{deed.kind}:{deed.account_id}:{_checked(nonce)}"
    before = wallets.lock_balances([deed.account_id]).get(deed.account_id)
    if before is None:
        raise Rejected(Code.NOT_FOUND, "This account has no wallet")
    # The wallet is locked: whoever sent the nonce first has committed its entry, or will wait for us.
    first = LedgerEntry.objects.filter(key=key).first()
    if first is not None:
        return _same(first, deed)
    _change(deed, before)
    line = deed.line(key, before)
    ledger.write([line], at=utc_now())
    return LedgerEntry.objects.get(pk=line.id)


def _same(first: LedgerEntry, deed: _Deed) -> LedgerEntry:
    if to_units(first.after) - to_units(first.before) != deed.units:
        raise Rejected(Code.IDEMPOTENCY_CONFLICT, "This form was sent before with another amount")
    return first


def _change(deed: _Deed, before: int) -> None:
    if before + deed.units > to_units(LIMIT):
        raise _invalid("amount", "the balance would pass the limit")
    moved = {deed.account_id: abs(deed.units)}
    after = wallets.give(moved) if deed.units > 0 else wallets.take(moved)
    if not after:
        raise Rejected(Code.NO_CREDIT, "The balance does not cover this")


def _positive(amount: Decimal) -> int:
    """Units of a positive amount."""
    if not amount.is_finite():
        raise _invalid("amount", "not a number")
    if not 0 < amount <= LIMIT:
        raise _invalid("amount", f"must be above 0 and at most {LIMIT}")
    try:
        return to_units(amount)
    except ValueError as error:
        raise _invalid("amount", "at most 4 decimals") from error


def _credit_limit(amount: Decimal) -> Decimal:
    if amount:
        _positive(amount)
    return amount


def _checked(nonce: str) -> str:
    if not 0 < len(nonce) <= _LONGEST_NONCE:
        raise _invalid("nonce", f"1 to {_LONGEST_NONCE} characters")
    return nonce


def _invalid(name: str, reason: str) -> Rejected:
    return Rejected(Code.INVALID_VALUE, f"{name}: {reason}", fields={name: reason})
