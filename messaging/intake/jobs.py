"""A request on its way through a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from common.errors import Code, Rejected
from common.pacer import Pacer
from messaging.admission import Admitted, admit
from messaging.commands import Answer, Outcome, SubmitCommand, SubmitRequest
from messaging.intake.caller import Caller
from messaging.preparation import Prepared, prepare

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Job:
    """`refused` and `admitted` are by index into the request's commands; `answer` ends the job.

    `caller`: those who wait for the batch that it came with.
    """

    request: SubmitRequest
    caller: Caller | None = None
    refused: dict[int, Rejected] = field(default_factory=dict)
    admitted: dict[int, Admitted] = field(default_factory=dict)
    answer: Answer | None = None

    @property
    def account_id(self) -> int:
        """Whose request it is."""
        return self.request.account_id

    def refuse(self, indexes: Iterable[int], refusal: Rejected) -> None:
        """Commands that turned out not to be writable."""
        for index in indexes:
            del self.admitted[index]
            self.refused[index] = refusal

    def outcomes(self, written: dict[int, Outcome]) -> list[Outcome]:
        """One outcome per command, in their order."""
        return [written.get(index) or self.refused[index] for index in range(len(self.request.commands))]

    def close_if_refused(self) -> None:
        """A request of which nothing is left is answered without the database."""
        if self.answer is None and not self.admitted:
            self.answer = self.outcomes({})


def prepare_all(jobs: Sequence[Job], now: datetime, pacer: Pacer) -> None:
    """Prepare and admit the commands of the jobs that have no answer yet; limits are asked once for all."""
    ready: list[tuple[Job, int, Prepared]] = []
    for job in jobs:
        for index, command in enumerate(job.request.commands):
            found = _prepared(command, now)
            if isinstance(found, Rejected):
                job.refused[index] = found
            else:
                ready.append((job, index, found))
    verdicts = admit([message for _, _, message in ready], now, pacer)
    for (job, index, _), verdict in zip(ready, verdicts, strict=True):
        if isinstance(verdict, Rejected):
            job.refused[index] = verdict
        else:
            job.admitted[index] = verdict
    for job in jobs:
        job.close_if_refused()


def _prepared(command: SubmitCommand, now: datetime) -> Prepared | Rejected:
    try:
        return prepare(command, now)
    except Rejected as refusal:
        return refusal
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
        # A defect of ours, met by one command: it must not take the whole batch with it.
        log.exception("prepare_failed", account=command.account.id)
        return Rejected(Code.INTERNAL, "The message could not be processed")
