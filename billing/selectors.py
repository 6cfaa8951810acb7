"""Reads of wallets for people (requirements S0-86, S0-87)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Q, QuerySet, Sum

from billing.models import LedgerEntry, Reason, Wallet
from common.ids import floor_at

NOTHING = Decimal("0.0000")


@dataclass(frozen=True, slots=True)
class CreditFigures:
    """The counters of Credits & Wallet, in credits and numbers of wallets."""

    total: Decimal
    used_today: Decimal
    added_today: Decimal
    low: int
    wallets: int
    unlimited: int


@dataclass(frozen=True, slots=True)
class WalletUse:
    """What an account used (charges less refunds) today and this month, and when it was last topped up."""

    today: Decimal = NOTHING
    month: Decimal = NOTHING
    last_top_up: datetime | None = None


def credit_figures(*, today: datetime, low_below: Decimal) -> CreditFigures:
    """All wallets together; `today` is the moment at which the day began, limited wallets under `low_below` are low."""
    limited = Wallet.objects.filter(unlimited=False)
    return CreditFigures(
        total=_sum(limited, "balance"),
        used_today=_used(_since(today)),
        added_today=_sum(_since(today).filter(reason=Reason.TOP_UP), "amount"),
        low=limited.filter(balance__lt=low_below).count(),
        wallets=Wallet.objects.count(),
        unlimited=Wallet.objects.filter(unlimited=True).count(),
    )


def wallet_use(account_ids: Iterable[int], *, today: datetime, month: datetime) -> dict[int, WalletUse]:
    """Use by account id for one page of accounts; `today` and `month` are the moments at which these began."""
    listed = list(account_ids)
    of_today = _used_by_account(_since(today).filter(account__in=listed))
    of_month = _used_by_account(_since(month).filter(account__in=listed))
    top_ups = LedgerEntry.objects.filter(account__in=listed, reason=Reason.TOP_UP).order_by()
    last = dict(top_ups.values("account_id").annotate(at=Max("created_at")).values_list("account_id", "at"))
    return {i: WalletUse(of_today.get(i, NOTHING), of_month.get(i, NOTHING), last.get(i)) for i in listed}


def _since(moment: datetime) -> QuerySet[LedgerEntry]:
    """Entries whose ids were drawn since then: a range of the primary key, not a scan."""
    return LedgerEntry.objects.filter(id__gte=floor_at(moment)).order_by()


def _used(entries: QuerySet[LedgerEntry]) -> Decimal:
    charged = _sum(entries.filter(reason=Reason.CHARGE), "amount")
    return charged - _sum(entries.filter(reason=Reason.REFUND), "amount")


def _used_by_account(entries: QuerySet[LedgerEntry]) -> dict[int, Decimal]:
    sums = entries.values("account_id").annotate(
        charged=Sum("amount", filter=Q(reason=Reason.CHARGE)), refunded=Sum("amount", filter=Q(reason=Reason.REFUND))
    )
    return {row["account_id"]: (row["charged"] or NOTHING) - (row["refunded"] or NOTHING) for row in sums}


def _sum(rows: QuerySet[Wallet] | QuerySet[LedgerEntry], column: str) -> Decimal:
    total: Decimal | None = rows.aggregate(total=Sum(column))["total"]
    return NOTHING if total is None else total
