"""What the receipts of a line tell of it."""

from typing import Any

from connectors.snapshot import ConnectorView
from messaging.receipts import doctor


def receipt_facts(view: ConnectorView) -> dict[str, Any]:
    """How many receipts match no message, of the carrier's account, and what its ids and its clock look like.

    `clock_zone_seconds` and `clock_drift_seconds`: the carrier's clock shows UTC and both; None: its receipts do not
    agree on a zone, or there are too few.
    """
    found = doctor.examine(view.carrier_account)
    return {
        "unmatched": found.unmatched,
        "unmatched_or_more": found.at_least,
        "id_rule": view.id_rule,
        "answer_format": found.answer_format,
        "receipt_format": found.receipt_format,
        "verdict": found.verdict,
        "proposed_rule": found.finding.rule or None,
        "clock_zone_seconds": found.clock.zone,
        "clock_drift_seconds": found.clock.drift,
        "clock": found.clock.words,
    }
