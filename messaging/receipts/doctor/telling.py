"""An examination as JSON values, for the command and the API."""

from dataclasses import asdict
from typing import Any

from messaging.models import IdRuleProposal
from messaging.receipts.doctor.examination import Examination


def told(found: Examination, proposal: IdRuleProposal | None) -> dict[str, Any]:
    """What was found at a carrier account, and what waits for a decision there; numbers by their last digits."""
    return {
        "carrier_account": found.carrier_account,
        "rules": found.rules,
        "unmatched": found.unmatched,
        "at_least": found.at_least,
        "answer_format": found.answer_format,
        "receipt_format": found.receipt_format,
        "verdict": found.verdict,
        "fits": dict(found.finding.fits),
        "elsewhere": dict(found.elsewhere),
        "samples": list(found.samples),
        "clock": asdict(found.clock),
        "proposal": {"id": proposal.pk, "rule": proposal.rule, "agreeing": proposal.agreeing} if proposal else None,
    }
