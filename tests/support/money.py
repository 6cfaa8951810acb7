"""Charges and refunds for tests, and what must be true after any of them."""

from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import Account, ApiClient
from billing.audit import ledger_findings
from billing.charging import Charge, Refund, charge, refund
from billing.models import LedgerEntry, Wallet
from common.ids import new_id


def a_charge(account: Account, amount: str, *, client: ApiClient | None = None, parts: int = 1) -> Charge:
    """One charge of the account."""
    return Charge(
        ledger_id=new_id(),
        account_id=account.pk,
        amount=Decimal(amount),
        parts=parts,
        source="api",
        client_id=client.pk if client else None,
    )


def charge_now(*charges: Charge) -> set[int]:
    """`charge` in a transaction of its own."""
    with transaction.atomic():
        return charge(charges)


def a_refund(of: Charge, amount: str, *, part: UUID | None = None, why: str = "FAILED") -> Refund:
    """A refund of one part of the charge."""
    return Refund(
        part_id=part or uuid4(), account_id=of.account_id, amount=Decimal(amount), charge_id=of.ledger_id, why=why
    )


def refund_now(*refunds: Refund) -> set[UUID]:
    """`refund` in a transaction of its own."""
    with transaction.atomic():
        return refund(refunds)


def balance(account: Account) -> Decimal:
    """Credits now, from the database."""
    return Wallet.objects.get(account=account).balance


def lines(account: Account, reason: str | None = None) -> list[LedgerEntry]:
    """The account's ledger in the order in which it was written."""
    found = LedgerEntry.objects.filter(account=account).order_by("id")
    return list(found.filter(reason=reason) if reason else found)


def assert_money_is_exact() -> None:
    """No finding of the ledger's own audit."""
    assert [str(finding) for finding in ledger_findings()] == []
