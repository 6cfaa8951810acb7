"""Money, by the quick half of the audit: balances are the sum of their entries, nobody is below the limit."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import DatabaseError

from billing.audit import quick_findings
from billing.seals import first_unsealed_day
from common.clock import utc_now
from gateway_project.doctor.findings import Finding, fail, ok, warn

AUDIT = "python manage.py audit_ledger"
LATE = timedelta(days=3)
_SHOWN = 5


def look() -> Iterator[Finding]:
    """I2 and I3, and whether the nightly audit seals its days."""
    unsealed = first_unsealed_day()
    if unsealed is not None and unsealed < (utc_now() - LATE).date():
        yield warn(f"the ledger is not sealed from {unsealed} on", f"{AUDIT} --seal, every night")
    try:
        found = list(quick_findings())
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != "57014":
            raise
        yield warn("the ledger is too long for a quick look", AUDIT)
        return
    for finding in found[:_SHOWN]:
        yield fail(str(finding), AUDIT)
    if not found:
        yield ok("every balance is the sum of its entries; nobody is below the limit")
