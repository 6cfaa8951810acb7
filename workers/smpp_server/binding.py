"""Binds: who it is, whether he may, and one seat of his over all servers."""

from typing import TYPE_CHECKING, Any

import structlog

from accounts.snapshot import SmppClientView, accounts
from common.clock import utc_now
from common.errors import Code, Rejected, Unavailable
from common.ids import new_id
from smpp.constants import CommandId, CommandStatus
from smpp.events import Closed
from smpp.pdu import Pdu
from smpp.session_config import SessionConfig
from workers.smpp_server.register import why_not
from workers.smpp_server.status import Refused, bind_status

if TYPE_CHECKING:
    from workers.smpp_server.client_session import ClientSession

log = structlog.get_logger(__name__)

SYSTEM_ID = "GATEWAY"
RESPONSE_SECONDS = 30.0  # un-acked receipts and texts are sent again after that (spec/smpp.md 5.1)
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
    )


async def bind(session: "ClientSession", pdu: Pdu) -> None:
    """Answer a bind request; whoever is refused is answered and then cut off."""
    try:
        await _bind(session, pdu)
    except Refused as refusal:
        session.refuse(pdu, refusal.status, refusal.reason)
        session.connection.close()
    except Exception as error:  # no bind may stay without an answer
        session.refuse(pdu, CommandStatus.ESME_RSYSERR, type(error).__name__)
        session.connection.close()
        raise


async def _bind(session: "ClientSession", pdu: Any) -> None:
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
        raise Refused(CommandStatus.ESME_RALYBND, f"{client.max_binds} binds at most")
    if session.connection.closed:
        await shared.database.run(shared.seats.release, seat, bind_id.hex)
        return
    session.client_id, session.system_id, session.password_hash = client.id, client.system_id, client.password_hash
    session.mode, session.bind_id, session.since = mode, bind_id, utc_now()
    shared.door.bound()
    session.connection.session.reconfigure(config_of(client))
    session.respond(pdu.reply(system_id=SYSTEM_ID))
    shared.register.add(session)
    shared.binds_table.opened(session, pdu.interface_version)
    log.info("smpp_bound", system_id=client.system_id, mode=mode, address=session.address)
    if session.receives:
        shared.postman.wake(client.id)


async def _verified(session: "ClientSession", pdu: Any) -> SmppClientView:
    try:
        return await session.shared.gate.verify(pdu.system_id, pdu.password, address=session.address)
    except (Rejected, Unavailable) as problem:
        status = bind_status(problem)
        if problem.code is Code.INVALID_CREDENTIALS and accounts().smpp_by_system_id(pdu.system_id) is None:
            status = int(CommandStatus.ESME_RINVSYSID)
        reason = problem.message if isinstance(problem, Rejected) else str(problem)
        raise Refused(status, reason) from problem


def _check_may(client: SmppClientView, mode: str, *, tls: bool) -> None:
    if client.tls_only and not tls:
        raise Refused(CommandStatus.ESME_RBINDFAIL, "this client binds by TLS only")
    if client.bind_modes and mode not in client.bind_modes:
        raise Refused(CommandStatus.ESME_RBINDFAIL, f"bind_{mode} is not allowed")


def ended(session: "ClientSession", event: Closed) -> None:
    """A bound session is over: its seat is free, its receipts go to others or wait."""
    shared = session.shared
    shared.register.remove(session)
    shared.postman.lost(session, event)
    shared.binds_table.ended(session, event.reason.value)
    log.info("smpp_unbound", system_id=session.system_id, address=session.address, reason=event.reason.value)
    assert session.bind_id is not None
    seat, holder = str(session.client_id), session.bind_id.hex
    shared.spawn(shared.database.run(shared.seats.release, seat, holder), "seat")


def still_allowed(session: "ClientSession") -> str:
    """Why a bound session has to end; empty: it may go on."""
    return why_not(session.client, session.password_hash, session.address, tls=session.tls)
