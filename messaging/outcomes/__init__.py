"""What became of parts that a bind or a provider was given: recorded by the batch."""

from messaging.outcomes.planning import SUBMITTED, SubmitResult
from messaging.outcomes.recording import record

__all__ = ["SUBMITTED", "SubmitResult", "record"]
