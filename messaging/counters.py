"""How many of each: the figures that a checker outside the system compares with its own journal.

Read from the rows, not from memory: they are right after a crash and the same from every process. They count whole
tables, so they are for tests and for a look at night; dashboards read TrafficCount.
"""

from django.db.models import Sum

from billing.models import Book, LedgerEntry, Wallet
from messaging.models import Message, MessageEvent, OutboxBatch, Part, Receipt, Status

# What did not fit the table of states and was therefore ignored, told in the trace, and is counted here.
ILLEGAL = ("dlr_conflict", "late_result")


def counters() -> dict[str, int | str]:
    """Counts by name; `ledger_diff`: balances minus the movements of the ledger in credits, 0 when money is exact."""
    parts = Part.objects
    return {
        "committed": Message.objects.count(),
        "parts": parts.count(),
        "unpublished": OutboxBatch.objects.count(),
        "submitted": parts.filter(submitted_at__isnull=False).count(),
        "uncertain": parts.filter(status=Status.UNCERTAIN).count(),
        "resent": parts.filter(possible_duplicate=True).count(),
        "parked_receipts": Receipt.objects.filter(state=Receipt.State.PARKED).count(),
        "orphan_receipts": Receipt.objects.filter(state=Receipt.State.ORPHAN).count(),
        "illegal_transitions": MessageEvent.objects.filter(kind__in=ILLEGAL).count(),
        "ledger_diff": str(_ledger_diff()),
    }


def _ledger_diff() -> object:
    balances = Wallet.objects.aggregate(total=Sum("balance"))["total"] or 0
    given = LedgerEntry.objects.filter(credit=Book.CUSTOMER).aggregate(total=Sum("amount"))["total"] or 0
    taken = LedgerEntry.objects.filter(debit=Book.CUSTOMER).aggregate(total=Sum("amount"))["total"] or 0
    return balances - given + taken
