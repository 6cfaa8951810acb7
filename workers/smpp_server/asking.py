"""Answers to query_sm, cancel_sm and replace_sm."""

import dataclasses
from typing import Any, Final
from uuid import UUID

from accounts.snapshot import SmppClientView
from common.errors import Code, Rejected, Unavailable
from messaging.cancel import cancel
from messaging.esme import STATES, error_word
from messaging.models import Message, Status
from messaging.status import FINAL, roll_up
from smpp.constants import VERSION_50, MessageState
from smpp.constants import CommandStatus as S
from smpp.pdu import CancelSm, Pdu, QuerySm, QuerySmResp, ReplaceSm
from smpp.times import format_absolute
from workers.smpp_server.named import between, named
from workers.smpp_server.replacing import replace_sm
from workers.smpp_server.shared import Session
from workers.smpp_server.status import Refused, reason_of

MOST_CANCELLED: Final = 200  # by one cancel_sm without id: each is a transaction, and others wait for their turn


async def answer(session: Session, pdu: Pdu) -> None:
    """Answer a question about a message that was submitted before."""
    client = session.client
    if client is None:
        return
    try:
        async with session.shared.turn(client.id):
            told = await session.shared.database.run(_DEEDS[type(pdu)], client, pdu)
        session.respond(_in_the_words_of(session.connection.session.peer_version, told))
    except Refused as refusal:
        session.refuse(pdu, refusal.status, refusal.reason)
    except Rejected as problem:
        session.refuse(pdu, _status(pdu, problem), reason_of(problem))
    except Unavailable as problem:
        session.refuse(pdu, S.ESME_RSYSERR, str(problem))
    except Exception as error:
        session.refuse(pdu, S.ESME_RSYSERR, f"{type(error).__name__}")
        raise


def _in_the_words_of(version: int | None, told: Pdu) -> Pdu:
    """SMPP 3.4 §5.2.28 begins with ENROUTE: only 5.0 clients know SCHEDULED, which is 0."""
    if (version or 0) < VERSION_50 and isinstance(told, QuerySmResp) and told.message_state == MessageState.SCHEDULED:
        return dataclasses.replace(told, message_state=int(MessageState.ENROUTE))
    return told


_FAILED: Final[dict[type[Pdu], int]] = {
    QuerySm: S.ESME_RQUERYFAIL,
    CancelSm: S.ESME_RCANCELFAIL,
    ReplaceSm: S.ESME_RREPLACEFAIL,
}


def _status(pdu: Pdu, problem: Rejected) -> int:
    if "validity" in problem.fields:
        return int(S.ESME_RINVEXPIRY)
    return int(S.ESME_RINVMSGID if problem.code is Code.NOT_FOUND else _FAILED[type(pdu)])


def _query(client: SmppClientView, pdu: QuerySm) -> Pdu:
    messages = named(client, pdu, S.ESME_RQUERYFAIL)
    open_ones = [message for message in messages if message.status not in FINAL]
    status = roll_up(message.status for message in open_ones or messages)
    ended = [message.done_at for message in messages if message.done_at is not None]
    code = next(message.error_code.strip() for message in messages if message.status == status)
    return QuerySmResp(
        sequence=pdu.sequence,
        message_id=pdu.message_id,
        final_date=format_absolute(max(ended)) if ended and not open_ones else "",
        message_state=int(STATES[status]),
        error_code=min(int(error_word(code)), 255) if code.isascii() and code.isdigit() else 0,
    )


def _cancel(client: SmppClientView, pdu: CancelSm) -> Pdu:
    if pdu.message_id:
        _cancel_named(client, named(client, pdu, S.ESME_RCANCELFAIL))
        return pdu.reply()
    found = between(client, pdu, MOST_CANCELLED + 1)
    if not _call_back(client, found[:MOST_CANCELLED]):
        raise Refused(S.ESME_RCANCELFAIL, "nothing waits between these addresses")
    if len(found) > MOST_CANCELLED:
        raise Refused(S.ESME_RCANCELFAIL, f"{MOST_CANCELLED} were called back and more wait: the same again")
    return pdu.reply()


def _cancel_named(client: SmppClientView, messages: list[Message]) -> None:
    """What was called back before is no failure as long as something is left to do."""
    wanted = [message.id for message in messages if message.status != Status.CANCELLED]
    gone = _call_back(client, wanted)
    if not wanted or gone < len(wanted):
        left = len(wanted) - gone or len(messages)
        raise Refused(S.ESME_RCANCELFAIL, f"{left} of {len(messages)} on the way or ended, {gone} called back")


def _call_back(client: SmppClientView, message_ids: list[UUID]) -> int:
    """How many were still here."""
    gone = 0
    for message_id in message_ids:
        try:
            cancel(account_id=client.account.id, message_id=message_id)
            gone += 1
        except Rejected as refusal:  # it left meanwhile
            if refusal.code is not Code.NOT_CANCELLABLE:
                raise
    return gone


_DEEDS: Final[dict[type[Pdu], Any]] = {QuerySm: _query, CancelSm: _cancel, ReplaceSm: replace_sm}
