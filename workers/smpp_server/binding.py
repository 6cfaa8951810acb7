"""Binds: who it is, whether he may, and one seat of his over all servers."""

from typing import Any

import structlog

from accounts.snapshot import SmppClientView, accounts
from common.clock import utc_now
from common.errors import Code, Rejected, Unavailable
from common.ids import new_id
from messaging.models import WireLog
from messaging.wirelog import STRANGERS, Subject
from smpp.constants import CommandId, CommandStatus
from smpp.events import Closed
from smpp.pdu import Pdu
from smpp.session_config import SessionConfig
from workers.smpp_server.bound import Bound
from workers.smpp_server.register import why_not
from workers.smpp_server.shared import Session
from workers.smpp_server.status import Refused, bind_status, reason_of

log = structlog.get_logger(__name__)

SYSTEM_ID = "GATEWAY"
RESPONSE_SECONDS = 30.0  # un-acked receipts and texts are sent again after that (spec/smpp.md 5.1)
# Who writes his messages and an unbind without waiting hears of all of them: they are answered in less, as a rule.
UNBIND_HOLD = 5.0  # seconds
UNBOUND_FRAME = 1_024  # octets: a bind has about a hundred
MODES = {
    CommandId.BIND_TRANSMITTER: "transmitter",
    CommandId.BIND_RECEIVER: "receiver",
    CommandId.BIND_TRANSCEIVER: "transceiver",
}
# Before a bind: nothing large, nothing long.
UNBOUND = SessionConfig(max_frame=UNBOUND_FRAME, session_init_seconds=30.0)


def config_of(client: SmppClientView) -> SessionConfig:
    """The session of a client once he is known."""
    return SessionConfig(
        window=client.deliver_window,
        incoming_window=client.window,
        enquire_link_seconds=client.enquire_link_seconds,
        inactivity_seconds=client.inactivity_seconds,
        response_seconds=RESPONSE_SECONDS,
        unbind_hold_seconds=UNBIND_HOLD,
    )


async def bind(session: Session, pdu: Pdu) -> None:
    """Answer a bind request; whoever is refused is answered and then cut off."""
    try:
        await _bind(session, pdu)
    except Refused as refusal:
        _refuse(session, pdu, refusal.status, refusal.reason)
    except Exception as error:  # no bind may stay without an answer
        _refuse(session, pdu, CommandStatus.ESME_RSYSERR, f"our fault: {type(error).__name__}")
        raise


def _refuse(session: Session, pdu: Any, status: int, reason: str) -> None:
    """The reason stands in the log of the client whose system_id was named, where there is one (docs/smpp.md)."""
    named = accounts().smpp_by_system_id(pdu.system_id)
    if not session.wire.settled:
        session.settle(STRANGERS if named is None else Subject(WireLog.Kind.KNOCK, named.id))
    session.refuse(pdu, status, reason)
    session.leaving = "the bind was refused"
    session.connection.close()


async def _bind(session: Session, pdu: Any) -> None:
    shared = session.shared
    if shared.stopping:
        raise Refused(CommandStatus.ESME_RSYSERR, "the server is stopping")
    client = await _verified(session, pdu)
    mode = MODES[CommandId(pdu.command_id)]
    _check_may(client, mode, tls=session.tls)
    bind_id = new_id()
    seat = str(client.id)
    if not await shared.database.run(shared.seats.take, seat, bind_id.hex, client.max_binds):
        # Not RBINDFAIL, which clients count as wrong credentials: an old session may end any moment.
        reason = f"{client.max_binds} binds at most, and so many are up or have not been given up yet"
        raise Refused(CommandStatus.ESME_RALYBND, reason)
    if session.connection.closed:
        await shared.database.run(shared.seats.release, seat, bind_id.hex)
        return
    session.client_id, session.system_id, session.password_hash = client.id, client.system_id, client.password_hash
    session.mode, session.bind_id, session.since = mode, bind_id, utc_now()
    shared.door.bound()
    session.connection.session.reconfigure(config_of(client))
    session.settle(Subject(WireLog.Kind.CLIENT, client.id))
    session.respond(pdu.reply(system_id=SYSTEM_ID))
    shared.register.add(session)
    shared.binds_table.opened(session, pdu.interface_version)
    log.info("smpp_bound", system_id=client.system_id, mode=mode, address=session.address)
    if session.receives:
        shared.postman.wake(client.id)


async def _verified(session: Session, pdu: Any) -> SmppClientView:
    try:
        return await session.shared.gate.verify(pdu.system_id, pdu.password, address=session.address)
    except (Rejected, Unavailable) as problem:
        status = bind_status(problem)
        if problem.code is Code.INVALID_CREDENTIALS and accounts().smpp_by_system_id(pdu.system_id) is None:
            status = int(CommandStatus.ESME_RINVSYSID)
        raise Refused(status, _why(problem, pdu.system_id, session.address, known=status)) from problem


def _why(problem: Rejected | Unavailable, system_id: str, address: str, *, known: int) -> str:
    """The refusal in words for the log; the answer itself carries a number only."""
    if known == CommandStatus.ESME_RINVSYSID:
        return f"there is no system_id {system_id!r}; asked from {address}"
    match problem:
        case Rejected(code=Code.INVALID_CREDENTIALS):
            return f"wrong password for {system_id}, from {address}"
        case Rejected(code=Code.TOO_MANY_ATTEMPTS, retry_after=wait):
            return f"too many wrong passwords for {system_id} or from {address}: wait {round(wait or 0)} s"
        case Rejected(code=Code.FORBIDDEN):
            return f"{address} is not among the addresses from which {system_id} or its account may come"
    return f"{reason_of(problem)}; {system_id} from {address}"


def _check_may(client: SmppClientView, mode: str, *, tls: bool) -> None:
    if client.tls_only and not tls:
        raise Refused(CommandStatus.ESME_RBINDFAIL, f"{client.system_id} binds by TLS only")
    if client.bind_modes and mode not in client.bind_modes:
        raise Refused(CommandStatus.ESME_RBINDFAIL, f"bind_{mode} is not allowed for {client.system_id}")


def ended(session: Session, event: Closed, reason: str) -> None:
    """A bound session is over: its seat is free, its receipts go to others or wait."""
    shared = session.shared
    shared.register.remove(session)
    shared.postman.lost(session, event)
    shared.binds_table.ended(session, reason)
    log.info("smpp_unbound", system_id=session.system_id, address=session.address, reason=reason)
    assert session.bind_id is not None
    seat, holder = str(session.client_id), session.bind_id.hex
    shared.spawn(shared.database.run(shared.seats.release, seat, holder), "seat")


def still_allowed(session: Bound) -> str:
    """Why a bound session has to end; empty: it may go on."""
    return why_not(session.client, session.password_hash, session.address, tls=session.tls)
