"""A dry run: what sending would do and cost, with nothing written and nothing charged."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import Error as DatabaseError

from billing.charging import funds
from common.clock import utc_now
from common.errors import Code, Rejected, Unavailable
from messaging.commands import Accepted, Outcome, SubmitCommand
from messaging.preparation import Prepared, prepare


def try_out(commands: Sequence[SubmitCommand]) -> list[Outcome]:
    """An outcome for each command, without a message id; the balance covers them in order. Asks the database.

    Rates and daily limits are not asked, because asking uses them up. Raises Unavailable.
    """
    try:
        left = funds([commands[0].account.id])[commands[0].account.id]
    except DatabaseError as error:
        raise Unavailable from error
    outcomes: list[Outcome] = []
    for command in commands:
        outcome, left = _try_one(command, left)
        outcomes.append(outcome)
    return outcomes


def _try_one(command: SubmitCommand, left: Decimal | None) -> tuple[Outcome, Decimal | None]:
    try:
        prepared = prepare(command, utc_now())
    except Rejected as problem:
        return problem, left
    if left is not None and prepared.price > left:
        return Rejected(Code.NO_CREDIT, "Insufficient credits"), left
    return _would_be(prepared), left if left is None else left - prepared.price


def _would_be(prepared: Prepared) -> Accepted:
    status = "SCHEDULED" if prepared.send_at else "QUEUED"
    return Accepted(prepared.message_id, "", prepared.body.parts, prepared.price, status)
