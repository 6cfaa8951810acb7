"""The one front door through which every outbound message is accepted (architecture section 3)."""

from collections.abc import Sequence

from messaging.commands import Answer, SubmitRequest
from messaging.intake.caller import Caller
from messaging.intake.door import Intake

__all__ = ["Caller", "Intake", "shared_intake", "submit_many"]

# One a process: which accounts are kept out of mixed batches must be known to every thread.
shared_intake = Intake()


def submit_many(requests: Sequence[SubmitRequest]) -> list[Answer]:
    """Accept or refuse each request by one group commit; see `Intake.submit_many`."""
    return shared_intake.submit_many(requests)
