"""The SMPP server as a process: listeners, snapshots, rooms; started in order, stopped in reverse (habit 14)."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable

import structlog
from django.conf import settings

from accounts.credentials import BindGate
from accounts.snapshot import keep_fresh
from accounts.verification import VerificationLine
from common import alive
from common.pulse import Pulse
from common.seats import seats
from messaging import mailbox
from messaging.batcher import IntakeBatcher
from smpp.events import CloseReason
from smpp.session import Role
from smpp.stream import Connection, SmppServer, StreamLimits
from workers.binds.background import end, lasting, within
from workers.database import DatabaseThreads
from workers.smpp_server import binding
from workers.smpp_server.binds_table import SEEN_EVERY, BindsTable
from workers.smpp_server.client_session import ClientSession
from workers.smpp_server.door import Door, DoorLimits
from workers.smpp_server.mailbox import Postman
from workers.smpp_server.register import Register
from workers.smpp_server.shared import Shared
from workers.smpp_server.tls import Certificate, SecureListener
from workers.wires import WRITE_EVERY, Wires

log = structlog.get_logger(__name__)

WATCH_EVERY = 1.0  # seconds between looks whether bound clients may stay
RENEW_EVERY = 5.0
TABLE_EVERY = 2.0
EXPIRE_EVERY = 600.0
DRAIN = 30.0  # seconds for answers that are under way
GOODBYE = 5.0  # seconds for unbind_resp, and for the answers to what we have handed over
# A reconnecting fleet of clients is verified one after another in one thread, 20 ms each.
LINE = 400
# One timer a session and second; a peer that does not read has 64 KiB of ours, then a megabyte, then no session.
LIMITS = StreamLimits(write_high=64 * 1024, write_cut=1024 * 1024, slow_reader_seconds=30.0, tick_seconds=1.0)
BACKLOG = 1024
TURNED_AWAY = "turned away: too many connections of this address, or too many that have not bound"


class SmppService:
    """Serves customers on one event loop until `stop` is called.

    Ports None: as the settings say (no TLS port without a certificate); 0: any free one. `on_ready` is called when
    customers may come.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        tls_port: int | None = None,
        share_port: bool = False,
        on_ready: Callable[[], object] = lambda: None,
    ) -> None:
        self._wanted = settings.GATEWAY_SMPP_PORT if port is None else port
        self._wanted_tls = settings.GATEWAY_SMPPS_PORT if tls_port is None else tls_port
        self._share_port = share_port
        self._stop = asyncio.Event()
        self._plain, self._secure = SmppServer(), SmppServer()
        self._has_tls = False
        self._certificate = Certificate()
        self._pulse = Pulse()
        self._on_ready = on_ready

    @property
    def port(self) -> int:
        """The port without TLS."""
        return self._plain.port

    @property
    def tls_port(self) -> int | None:
        """The port with TLS, if there is one."""
        return self._secure.port if self._has_tls else None

    @property
    def shared(self) -> Shared:
        """The rooms, for tests and for what looks at a running server."""
        return self._shared

    def bound(self) -> int:
        """Sessions that are bound."""
        return len(self._shared.register)

    def stop(self) -> None:
        """Ask for an orderly end; safe from a signal and from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        """Serve until `stop`; then answer what is under way, unbind and return. Raises OSError for a taken port."""
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._database = DatabaseThreads(settings.SMPP_DATABASE_THREADS)
        self._keeper = await self._database.run(self._keep_accounts)
        self._pulse.start()
        self._open_rooms()
        tasks = []
        try:
            await self._listen()
            tasks = [
                lasting(self._watch_for_ever, "smpp clients"),
                lasting(self._renew_for_ever, "smpp seats"),
                lasting(self._table_for_ever, "smpp binds table"),
                lasting(self._wires_for_ever, "smpp wire log"),
                lasting(self._expire_for_ever, "smpp mailbox"),
            ]
            self._on_ready()
            await self._stop.wait()
        finally:
            await self._wind_down(tasks)

    # -- opening ----------------------------------------------------------------------------------

    def _keep_accounts(self) -> threading.Thread:
        """What the loop asks must be in memory: Django refuses to ask the database there."""
        return keep_fresh(self._ended)

    def _open_rooms(self) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        register = Register()
        self._line = VerificationLine(line=LINE)
        self._shared = Shared(
            name=name,
            database=self._database,
            batcher=IntakeBatcher(silent=self._pulse.silent),
            gate=BindGate(verification=self._line),
            seats=seats(),
            door=Door(DoorLimits(per_address=settings.SMPP_CONNECTIONS_PER_ADDRESS)),
            binds_table=BindsTable(name, register, self._database),
            postman=Postman(register, self._database),
            wires=Wires(name, self._database),
            register=register,
        )
        self._shared.batcher.start()
        self._shared.postman.start()

    async def _listen(self) -> None:
        server = await self._loop.create_server(
            lambda: self._build(self._plain),
            settings.GATEWAY_BIND,
            self._wanted,
            backlog=BACKLOG,
            reuse_port=self._share_port or None,
        )
        self._plain.attach(server)
        if self._certificate.context is not None:
            self._secure.attach(self._secure_listener(self._certificate.context))
            self._has_tls = True
        log.info("smpp_listening", port=self.port, tls_port=self.tls_port)

    def _secure_listener(self, context: ssl.SSLContext) -> SecureListener:
        host = settings.GATEWAY_BIND
        listening = socket.create_server(
            (host, self._wanted_tls),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=BACKLOG,
            reuse_port=self._share_port,
        )
        listening.setblocking(False)
        return SecureListener(
            listening,
            context,
            enter=self._may_enter,
            leave=lambda address: self._shared.door.leave(address, bound=False),
            build=lambda: self._build(self._secure),
        )

    def _build(self, server: SmppServer) -> Connection:
        return Connection(
            Role.SMSC,
            binding.UNBOUND,
            LIMITS,
            on_connection=lambda connection: self._on_connection(server, connection),
            on_lost=server.connections.discard,
        )

    def _may_enter(self, address: str) -> bool:
        if self._shared.stopping:
            return False
        if not self._shared.door.enter(address):
            self._shared.wires.strangers.event(address, TURNED_AWAY)
            return False
        return True

    def _on_connection(self, server: SmppServer, connection: Connection) -> None:
        address = str((connection.peername or ("",))[0])
        # Who came by TLS passed the door before the handshake.
        if server is self._plain and not self._may_enter(address):
            connection.abort(CloseReason.LOCAL)
            return
        server.connections.add(connection)
        ClientSession(self._shared, connection, tls=server is self._secure)

    # -- what is looked after ---------------------------------------------------------------------

    async def _watch_for_ever(self) -> None:
        told = float("-inf")
        while not await within(self._stop, WATCH_EVERY):
            self._certificate.refresh()
            if self._loop.time() - told >= alive.PERIOD:
                told = self._loop.time()
                alive.tell()
            for session in self._shared.register:
                reason = binding.still_allowed(session)
                if reason and not session.connection.session.unbinding:
                    log.info("smpp_sent_away", system_id=session.system_id, reason=reason)
                    session.leaving = f"sent away: {reason}"
                    self._shared.spawn(session.connection.unbind(), "unbind")

    async def _renew_for_ever(self) -> None:
        while not await within(self._stop, RENEW_EVERY):
            await self._database.run(self._shared.seats.renew)

    async def _table_for_ever(self) -> None:
        seen_at = float("-inf")
        while not await within(self._stop, TABLE_EVERY):
            seen = self._loop.time() - seen_at >= SEEN_EVERY
            seen_at = self._loop.time() if seen else seen_at
            await self._shared.binds_table.write(seen=seen)

    async def _wires_for_ever(self) -> None:
        while not await within(self._stop, WRITE_EVERY):
            await self._shared.wires.write()

    async def _expire_for_ever(self) -> None:
        while True:
            gone = await self._database.run(mailbox.expire)
            if gone:
                log.warning("mailbox_expired", count=gone)
            elif await within(self._stop, EXPIRE_EVERY):
                return

    # -- closing ----------------------------------------------------------------------------------

    async def _wind_down(self, tasks: list[asyncio.Task[None]]) -> None:
        """No new connections, no new messages; answers under way; receipts under way; good-bye; what was gathered."""
        self._shared.stopping = True
        servers = [self._plain, self._secure] if self._has_tls else [self._plain]
        for server in servers:
            server.stop_accepting()
        await end(tasks)
        await self._shared.batcher.drain(DRAIN)
        await self._shared.postman.stop(GOODBYE)
        await asyncio.gather(*(server.close(GOODBYE) for server in servers))
        await self._shared.settle()
        await self._shared.postman.close()
        await self._shared.binds_table.write()
        await self._shared.wires.write()
        self._ended.set()
        self._line.close()
        await self._loop.run_in_executor(None, self._keeper.join, GOODBYE)
        await self._loop.run_in_executor(None, self._database.close)
        await self._loop.run_in_executor(None, self._pulse.stop)
