"""What the receipts of a line tell of it."""

from typing import Any

from django.db import connection

from connectors.snapshot import ConnectorView

COUNTED = 1_000
# Partial index receipt_parked: a receipt that has found no message yet.
_UNMATCHED = (
    "SELECT count(*) FROM (SELECT 1 FROM messaging_receipt WHERE state = 'PARKED' AND carrier_account = %s LIMIT %s) "
    "AS unmatched"
)


def receipt_facts(view: ConnectorView) -> dict[str, Any]:
    """How many receipts match no message, of the carrier's account; what is not known yet is None.

    `id_format` (how ids in answers and receipts differ) and `clock_skew_seconds` come from whoever looks at samples of
    receipts; until then this says that nobody has looked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNMATCHED, [view.carrier_account, COUNTED + 1])
        count = int(cursor.fetchone()[0])
    return {
        "unmatched": min(count, COUNTED),
        "unmatched_or_more": count > COUNTED,
        "id_rule": view.id_rule,
        "id_format": None,
        "clock_skew_seconds": None,
    }
