"""The client's own messages that a query_sm, cancel_sm or replace_sm means, whoever's id it names."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from accounts.snapshot import SmppClientView
from common.clock import utc_now
from common.ids import floor_at, later
from common.phone import InvalidNumber, normalise
from messaging.esme import parse_id, unpacked
from messaging.models import Message, Status
from smpp.constants import CommandStatus as S
from smpp.pdu import CancelSm, QuerySm, ReplaceSm
from workers.smpp_server.status import Refused

# The ids of a submit_multi are drawn in one go; the limit keeps a wrong id from reading the client's whole traffic.
_TOGETHER: Final = timedelta(seconds=1)
_CANCELLED_SINCE: Final = timedelta(days=31)
_WAITING: Final = (Status.SCHEDULED, Status.QUEUED)


def named(client: SmppClientView, pdu: QuerySm | CancelSm | ReplaceSm, wrong: int) -> list[Message]:
    """The messages of the id, oldest first: one, or those of a submit_multi. A destination means its message alone.

    Addresses that are given must be the message's (SMPP 3.4 §4.8 to §4.10): an id that was mixed up must not call
    back or change another text. Many clients leave them out. Raises Refused, with `wrong` for a wrong address;
    another's id is as unknown as one that nobody was given.
    """
    span = parse_id(pdu.message_id, client.id_style)
    found = _of_id(client, *span) if span else []
    if not found:
        raise Refused(S.ESME_RINVMSGID, "there is no such message")
    if pdu.source_addr:
        found = [message for message in found if _is_sender(pdu.source_addr, message.sender, message.esme)]
        if not found:
            raise Refused(wrong, "the message of this id has another source_addr")
    if to := getattr(pdu, "destination_addr", ""):
        number = _recipient(to)
        found = [message for message in found if message.recipient == number]
        if not found:
            raise Refused(wrong, "the message of this id went to another destination_addr")
    return found


def between(client: SmppClientView, pdu: CancelSm, most: int) -> list[UUID]:
    """Ids, at most so many, of what waits from this sender to this number, of the last 31 days."""
    waiting = _own(client).filter(
        recipient=_recipient(pdu.destination_addr),
        id__gte=floor_at(utc_now() - _CANCELLED_SINCE),
        status__in=_WAITING,
    )
    found: list[UUID] = []
    for page in _pages(waiting, most):
        found += [key for key, sender, notes in page if _is_sender(pdu.source_addr, sender, notes)]
        if len(found) >= most:
            break
    return found[:most]


def _pages(waiting: QuerySet[Message], size: int) -> Iterator[list[tuple[UUID, str, Any]]]:
    """The rows by id, page by page: a cursor outside of a transaction would have the server read all of them first."""
    ordered = waiting.order_by("id").values_list("id", "sender", "esme")
    page = list(ordered[:size])
    yield page
    while len(page) == size:
        page = list(ordered.filter(id__gt=page[-1][0])[:size])
        yield page


def _own(client: SmppClientView) -> QuerySet[Message]:
    return Message.objects.filter(account_id=client.account.id, smpp_client_id=client.id)


def _of_id(client: SmppClientView, first: UUID, last: UUID) -> list[Message]:
    alone = _own(client).filter(id__gte=first, id__lte=last).first()
    if alone is not None and unpacked(alone.esme).group != alone.id:
        return [alone]
    # Of a submit_multi, or nobody's: its first number, which would have the id itself, may have been refused.
    near = _own(client).filter(id__gte=first, id__lte=later(last, _TOGETHER), esme__has_key="of")
    return [message for message in near.order_by("id") if first <= (unpacked(message.esme).group or message.id) <= last]


def _is_sender(given: str, sender: str, notes: dict[str, Any] | None) -> bool:
    """Whether it is the sender as the customer wrote it, or as it was chosen for him."""
    return given.removeprefix("+") in (sender, (unpacked(notes).source or ("",))[0].removeprefix("+"))


def _recipient(given: str) -> str:
    try:
        return normalise(given)
    except InvalidNumber as error:
        raise Refused(S.ESME_RINVDSTADR, str(error)) from error
