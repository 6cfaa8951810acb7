"""query_sm, cancel_sm and replace_sm: of the client's own messages, whoever's id is named."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from accounts.snapshot import SmppClientView
from common.clock import utc_now
from common.errors import Code, Rejected, Unavailable
from common.gsm import Encoding
from common.ids import floor_at
from common.phone import InvalidNumber, normalise
from messaging.cancel import cancel
from messaging.esme import STATES, error_word, parse_id, unpacked
from messaging.models import Message, Status
from messaging.preparation import FURTHEST, LONGEST_VALIDITY
from messaging.replace import Replacement, replace
from messaging.status import FINAL
from smpp.constants import VERSION_50, EsmClass, MessageState, RegisteredDelivery
from smpp.constants import CommandStatus as S
from smpp.pdu import CancelSm, Pdu, QuerySm, QuerySmResp, ReplaceSm
from smpp.times import format_absolute, parse_time
from smpp.tlvs import Tlvs
from workers.smpp_server.reading import read_user_data
from workers.smpp_server.shared import Session
from workers.smpp_server.status import Refused, reason_of

# A cancel_sm without id means all that waits between two addresses; so many of the last days.
_MOST_CANCELLED: Final = 100
_CANCELLED_SINCE: Final = timedelta(days=31)
_WAITING: Final = (Status.SCHEDULED, Status.QUEUED)


async def answer(session: Session, pdu: Pdu) -> None:
    """Answer a question about a message that was submitted before."""
    client = session.client
    if client is None:
        return
    try:
        async with session.shared.questions:
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
    return int(S.ESME_RINVMSGID if problem.code is Code.NOT_FOUND else _FAILED[type(pdu)])


def _own(client: SmppClientView, pdu: QuerySm | CancelSm | ReplaceSm) -> Message:
    """The client's message that is named; raises Refused. Another's id is as unknown as one that nobody was given.

    Addresses that are given must be the message's (SMPP 3.4 §4.8 to §4.10): an id that was mixed up must not call
    back or change another text. Many clients leave them out.
    """
    span = parse_id(pdu.message_id, client.id_style)
    found = None
    if span is not None:
        own = Message.objects.filter(account_id=client.account.id, smpp_client_id=client.id)
        found = own.filter(id__gte=span[0], id__lte=span[1]).first()
    if found is None:
        raise Refused(S.ESME_RINVMSGID, "there is no such message")
    if pdu.source_addr and not _is_sender(pdu.source_addr, found.sender, found.esme):
        raise Refused(_FAILED[type(pdu)], "the message of this id has another source_addr")
    to = getattr(pdu, "destination_addr", "")
    if to and _recipient(to) != found.recipient:
        raise Refused(_FAILED[type(pdu)], "the message of this id went to another destination_addr")
    return found


def _is_sender(given: str, sender: str, notes: dict[str, Any] | None) -> bool:
    """Whether it is the sender as the customer wrote it, or as it was chosen for him."""
    return given.removeprefix("+") in (sender, (unpacked(notes).source or ("",))[0].removeprefix("+"))


def _recipient(given: str) -> str:
    try:
        return normalise(given)
    except InvalidNumber as error:
        raise Refused(S.ESME_RINVDSTADR, str(error)) from error


def _query(client: SmppClientView, pdu: QuerySm) -> Pdu:
    message = _own(client, pdu)
    final = message.status in FINAL and message.done_at is not None
    code = message.error_code.strip()
    return QuerySmResp(
        sequence=pdu.sequence,
        message_id=pdu.message_id,
        final_date=format_absolute(message.done_at) if final and message.done_at else "",
        message_state=int(STATES[message.status]),
        error_code=min(int(error_word(code)), 255) if code.isascii() and code.isdigit() else 0,
    )


def _cancel(client: SmppClientView, pdu: CancelSm) -> Pdu:
    if pdu.message_id:
        cancel(account_id=client.account.id, message_id=_own(client, pdu).id)
        return pdu.reply()
    gone = 0
    for message_id in _between(client, pdu):
        try:
            cancel(account_id=client.account.id, message_id=message_id)
            gone += 1
        except Rejected as refusal:  # it left meanwhile
            if refusal.code is not Code.NOT_CANCELLABLE:
                raise
    if not gone:
        raise Refused(S.ESME_RCANCELFAIL, "nothing waits between these addresses")
    return pdu.reply()


def _between(client: SmppClientView, pdu: CancelSm) -> list[UUID]:
    waiting = Message.objects.filter(
        recipient=_recipient(pdu.destination_addr),
        id__gte=floor_at(utc_now() - _CANCELLED_SINCE),
        account_id=client.account.id,
        smpp_client_id=client.id,
        status__in=_WAITING,
    )
    found = waiting.order_by("id").values_list("id", "sender", "esme")[:_MOST_CANCELLED]
    return [key for key, sender, notes in found if _is_sender(pdu.source_addr, sender, notes)]


def _replace(client: SmppClientView, pdu: ReplaceSm) -> Pdu:
    message = _own(client, pdu)
    now = utc_now()
    if pdu.sm_default_msg_id:
        raise Refused(S.ESME_RINVDFTMSGID, "there are no predefined messages")
    send_at = _time(pdu.schedule_delivery_time, S.ESME_RINVSCHED)
    expires_at = _time(pdu.validity_period, S.ESME_RINVEXPIRY)
    if send_at and send_at > now + FURTHEST:
        raise Refused(S.ESME_RINVSCHED, "at most 30 days ahead")
    if expires_at:
        begins = max(send_at or message.send_at or now, now)
        if expires_at <= begins:
            raise Refused(S.ESME_RINVEXPIRY, "the validity ends before the sending")
        expires_at = min(expires_at, begins + timedelta(seconds=LONGEST_VALIDITY))
    content, encoding = _text(pdu, message, client.default_alphabet)
    known = RegisteredDelivery.RECEIPT_MASK | RegisteredDelivery.INTERMEDIATE
    replace(
        account_id=client.account.id,
        smpp_client_id=client.id,
        message_id=message.id,
        by=Replacement(
            content=content,
            encoding=encoding,
            send_at=send_at,
            expires_at=expires_at,
            registered=pdu.registered_delivery & known,
        ),
    )
    return pdu.reply()


def _text(pdu: ReplaceSm, message: Message, alphabet: str) -> tuple[str | None, Encoding | None]:
    """The new content in the coding of the old one, because replace_sm has none; empty: the old one stays."""
    if not pdu.short_message:
        return None, None
    notes = unpacked(message.esme)
    coding = notes.data_coding if notes.data_coding is not None else _CODING[Encoding(message.encoding)]
    udhi = EsmClass.UDHI if message.udh else 0
    octets = bytes.fromhex(message.udh) + pdu.short_message
    data = read_user_data(octets, udhi, coding, Tlvs(), alphabet=alphabet)
    if data.binary is not None:
        return data.binary.hex(), Encoding.BINARY
    return data.content, data.coding


_CODING: Final = {
    Encoding.GSM7: 0x00,
    Encoding.ASCII: 0x01,
    Encoding.LATIN1: 0x03,
    Encoding.BINARY: 0x04,
    Encoding.UCS2: 0x08,
}


def _time(text: str, status: int) -> datetime | None:
    try:
        return parse_time(text, now=utc_now())
    except (ValueError, OverflowError) as error:
        raise Refused(status, f"{text!r} is no time") from error


_DEEDS: Final[dict[type[Pdu], Any]] = {QuerySm: _query, CancelSm: _cancel, ReplaceSm: _replace}
