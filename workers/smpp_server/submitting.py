"""submit_sm, submit_multi and data_sm: one request to the batcher for all that one read brought, answered after commit.

No task a PDU: the answer comes by the callback of one future.
"""

from asyncio import Future
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.snapshot import SmppClientView
from common.clock import utc_now
from common.errors import Rejected, Unavailable
from messaging.commands import Accepted, Answer, Outcome, Replay, SubmitCommand, SubmitRequest
from messaging.esme import id_text
from smpp.pdu import DataSm, Pdu, SmeAddress, SubmitMulti, SubmitSm, UnsuccessSme
from workers.smpp_server import translating
from workers.smpp_server.shared import Session
from workers.smpp_server.status import Refused, reason_of, status_of

# Messages of one request, or those of one submit_multi: a flood of one customer must not make transactions long for the
# others.
CHUNK: Final = 200


@dataclass(slots=True)
class _Asked:
    """A PDU and the commands that it became; `addresses` and `group` of a submit_multi."""

    pdu: Pdu
    commands: list[SubmitCommand]
    addresses: list[SmeAddress] = field(default_factory=list)
    group: UUID | None = None


def take(session: Session, pdus: Sequence[Pdu]) -> None:
    """Translate, line up, and answer when it is durable. While we stop, nothing is answered: nothing is taken."""
    client = session.client
    if client is None or session.shared.stopping:
        return
    now = utc_now()
    for chunk in _chunks(pdus):
        asked = list(_translated(session, client, chunk, now))
        if asked:
            _line_up(session, client, asked)


def _chunks(pdus: Sequence[Pdu]) -> Iterator[list[Pdu]]:
    chunk: list[Pdu] = []
    size = 0
    for pdu in pdus:
        messages = len(pdu.dest_addresses) if isinstance(pdu, SubmitMulti) else 1
        if chunk and size + messages > CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(pdu)
        size += messages
    yield chunk


def _translated(session: Session, client: SmppClientView, pdus: Sequence[Pdu], now: datetime) -> Iterator[_Asked]:
    for pdu in pdus:
        try:
            yield _asked(pdu, client, now)
        except Refused as refusal:
            session.refuse(pdu, refusal.status, refusal.reason)


def _asked(pdu: Pdu, client: SmppClientView, now: datetime) -> _Asked:
    if isinstance(pdu, SubmitSm):
        return _Asked(pdu, [translating.of_submit_sm(pdu, client, now)])
    if isinstance(pdu, DataSm):
        return _Asked(pdu, [translating.of_data_sm(pdu, client, now)])
    assert isinstance(pdu, SubmitMulti)
    group, found = translating.of_submit_multi(pdu, client, now)
    return _Asked(pdu, [command for _, command in found], [address for address, _ in found], group)


def _line_up(session: Session, client: SmppClientView, asked: list[_Asked]) -> None:
    commands = [command for one in asked for command in one.commands]
    try:
        future = session.shared.batcher.line_up(SubmitRequest(commands))
    except Unavailable as problem:
        _refuse_all(session, asked, problem)
        return
    style = client.id_style

    def answered(done: Future[Answer]) -> None:
        if not done.cancelled():
            _answer(session, asked, done.result(), style)

    future.add_done_callback(answered)


def _answer(session: Session, asked: list[_Asked], answer: Answer, style: str) -> None:
    if isinstance(answer, Rejected | Unavailable):
        _refuse_all(session, asked, answer)
        return
    assert not isinstance(answer, Replay)  # there are no keys here
    at = 0
    for one in asked:
        outcomes = answer[at : at + len(one.commands)]
        at += len(outcomes)
        if isinstance(one.pdu, SubmitMulti):
            _answer_multi(session, one, outcomes, style)
        else:
            _answer_one(session, one.pdu, outcomes[0], style)


def _answer_one(session: Session, pdu: Pdu, outcome: Outcome, style: str) -> None:
    if isinstance(outcome, Accepted):
        session.submitted += 1
        session.respond(pdu.reply(message_id=id_text(outcome.message_id, style)))
    else:
        session.refuse(pdu, status_of(outcome), reason_of(outcome))


def _answer_multi(session: Session, one: _Asked, outcomes: Sequence[Outcome], style: str) -> None:
    """One id for them all, and which numbers were refused; an error only when every number was."""
    assert one.group is not None
    failed = [
        UnsuccessSme(address.dest_addr_ton, address.dest_addr_npi, address.destination_addr, status_of(outcome))
        for address, outcome in zip(one.addresses, outcomes, strict=True)
        if isinstance(outcome, Rejected)
    ]
    session.submitted += len(outcomes) - len(failed)
    reasons = sorted({reason_of(outcome) for outcome in outcomes if isinstance(outcome, Rejected)})
    if len(failed) == len(outcomes):
        session.refuse(one.pdu, failed[0].error_status_code, "; ".join(reasons), unsuccess_smes=failed)
        return
    note = f"{len(failed)} of {len(outcomes)} refused: {'; '.join(reasons)}" if failed else ""
    session.respond(one.pdu.reply(message_id=id_text(one.group, style), unsuccess_smes=failed), note)


def _refuse_all(session: Session, asked: Sequence[_Asked], problem: Rejected | Unavailable) -> None:
    reason = reason_of(problem)
    for one in asked:
        session.refuse(one.pdu, status_of(problem), reason)
