"""Calling a message back: all of it or nothing, before any part has left the line."""

from uuid import UUID

from django.db import transaction

from common.clock import utc_now
from common.errors import Code, Rejected
from common.ids import derive
from common.transactions import retried
from messaging import finals, rows, status
from messaging.finals import Ended
from messaging.models import Message, Status

_BEFORE = frozenset({Status.SCHEDULED, Status.QUEUED})


@retried()
def cancel(*, account_id: int, message_id: UUID) -> int:
    """Cancel a message of the account and refund it; returns how many parts.

    Raises Rejected NOT_FOUND for what is not the account's, NOT_CANCELLABLE once any part was handed to a carrier;
    then nothing has changed.
    """
    with transaction.atomic():
        found = Message.objects.filter(id=message_id, account_id=account_id).values_list("parts").first()
        if found is None:
            raise Rejected(Code.NOT_FOUND, "There is no such message.")
        parts, messages = rows.lock([derive(message_id, seq) for seq in range(1, found[0] + 1)])
        if not parts or any(part.status not in _BEFORE or part.possible_duplicate for part in parts.values()):
            raise Rejected(Code.NOT_CANCELLABLE, "The message is on its way or has ended.")
        now = utc_now()
        columns = (("done_at", "timestamptz"),)
        status.move(Status.CANCELLED, dict.fromkeys(parts, (now,)), columns=columns, only_from=_BEFORE)
        for part in parts.values():
            part.status = Status.CANCELLED
        ended = [Ended(part=part, status=Status.CANCELLED, at=now) for part in parts.values()]
        finals.finish(ended, messages, now=now)
        return len(parts)
