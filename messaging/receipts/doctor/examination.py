"""One look at the receipts of a carrier account: what connector diagnostics, the command and the tick ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from messaging import rows
from messaging.lines import line, siblings
from messaging.receipts.doctor import clocks, evidence
from messaging.receipts.doctor.clocks import ClockVerdict
from messaging.receipts.doctor.diagnosis import ENOUGH, Finding, Sent, Unmatched, diagnose, form_of, sample


@dataclass(frozen=True, slots=True)
class Examination:
    """Receipts of a carrier account: `rules` by connector name, `unmatched` of at most `evidence.NEWEST`.

    The formats are of the ids in answers and in receipts, "" where none is known. `samples` show the end of numbers.
    """

    carrier_account: str
    rules: dict[str, str]
    unmatched: int
    answer_format: str
    receipt_format: str
    finding: Finding
    samples: Sequence[dict[str, str]]
    clock: ClockVerdict
    elsewhere: Mapping[str, int]  # lines of other accounts that the ids and numbers belong to

    @property
    def at_least(self) -> bool:
        """Whether there may be more unmatched receipts than were looked at."""
        return self.unmatched >= evidence.NEWEST

    @property
    def verdict(self) -> str:
        """For a person: do the ids of answers and receipts meet?"""
        if not self.unmatched:
            return "every receipt has its message"
        if not self.finding.rule:
            return f"{self.finding.why}{self._advice}"
        return f"{self.finding.agreeing} messages agree on {self.finding.rule}"

    @property
    def _advice(self) -> str:
        if not self.elsewhere:
            return ""
        name, many = max(self.elsewhere.items(), key=itemgetter(1))
        return f"; {many} are for messages of {name}: if it is one login, give both lines the same carrier_account"


def examine(carrier_account: str, *, now: datetime | None = None) -> Examination:
    """Look at the newest receipts of the account: unmatched ones, the form of ids, a rule that would help, the clock.

    Reads only, a few bounded statements: for people and for a slow tick, not for each message.
    """
    moment = now or rows.database_now()
    receipts = evidence.unmatched(carrier_account, now=moment)
    parts = evidence.sent(carrier_account, receipts)
    last = evidence.last_receipts(carrier_account)
    finding = diagnose(receipts, parts, last.met)
    answers, reported = _ids(finding, receipts, parts, last.met)
    views = [view for number in siblings(carrier_account) if (view := line(number)) is not None]
    return Examination(
        carrier_account=carrier_account,
        rules={view.name: view.id_rule for view in views},
        unmatched=len(receipts),
        answer_format=form_of(answers),
        receipt_format=form_of(reported),
        finding=finding,
        samples=sample(finding, receipts),
        clock=clocks.judge(last.dated),
        elsewhere={} if finding.rule or len(receipts) < ENOUGH else evidence.elsewhere(carrier_account, receipts),
    )


def _ids(
    finding: Finding, receipts: Sequence[Unmatched], parts: Sequence[Sent], met: Sequence[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Of the answers and of the receipts: of those that the rule brings together, else of all that we have."""
    if finding.rule:
        paired = [receipt.provider_id for receipt in receipts if receipt.id in finding.pairs]
        return [part.provider_id for found in finding.pairs.values() for part in found], paired
    answers = [part.provider_id for part in parts] or [answer for answer, _ in met]
    return answers, [receipt.provider_id for receipt in receipts if receipt.provider_id] or [r for _, r in met]
