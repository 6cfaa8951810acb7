"""Keeping one bind up: connect while the lease is ours, wait longer after each failure."""

import asyncio
import time
from collections.abc import Callable

import structlog

from connectors.credential_checks import Turn
from connectors.hosts import Place
from smpp import events
from smpp.errors import SessionError
from smpp.pdu import DataSm, DeliverSm, SubmitSmResp
from smpp.stream import Connection
from workers.binds import link
from workers.binds.admission import Admission
from workers.binds.background import within
from workers.binds.report import STANDBY
from workers.binds.shared import Shared
from workers.wires import Ring

log = structlog.get_logger(__name__)

STEADY = 60.0  # seconds bound after which the back-off begins anew
OnEvents = Callable[[Connection, list[events.Event]], None]


class LinkKeeper:
    """At most one session; `on_change` hears when it comes up and when it has gone."""

    def __init__(
        self,
        shared: Shared,
        wire: Ring,
        *,
        admission: Admission,
        on_events: OnEvents,
        on_change: Callable[[], None],
    ) -> None:
        self._admission = admission
        self._view, self._bind_no, self._report = shared.view, shared.bind_no, shared.report
        self._on_events, self._on_change = on_events, on_change
        self._wire, self._sessions = wire, 0
        self._backoff = link.Backoff()
        self._allowed, self._ending, self._down = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._worked = False  # the present session carried a message or a receipt
        self._turn = shared.bind_no - 1  # among the carrier's hosts: the binds of a connector begin at one each
        self.connection: Connection | None = None

    @property
    def up(self) -> Connection | None:
        """The session when it is bound and open, and not on its way to the end."""
        connection = self.connection
        if connection is None or connection.closed or connection.session.unbinding:
            return None
        return connection

    @property
    def _place(self) -> Place:
        places = self._view.places
        return places[self._turn % len(places)]

    def allow(self) -> None:
        """The lease is ours."""
        self._allowed.set()

    def forbid(self) -> None:
        """The lease is not ours any more: what our buffers hold is dropped, the kernel's too.

        It would send them when a network that was cut is whole again, long after somebody else has taken over.
        """
        self._allowed.clear()
        if self.connection is not None:
            self.connection.reset()
        self._report.say(STANDBY)

    async def keep(self) -> None:
        """Connect, and again when the session ends; until `end`."""
        while not self._ending.is_set():
            await self._allowed.wait()
            turn = await self._admission.ask()
            if turn.go and (self._ending.is_set() or not self._allowed.is_set()):
                await self._admission.unused()  # the lease was lost while we asked: somebody else may be bound
            elif turn.go:
                await within(self._ending, await self._one())
            else:
                self._not_our_turn(turn)
                await self._admission.rest(turn)

    def _not_our_turn(self, turn: Turn) -> None:
        """Another bind tries for all, or the carrier refused so often that we ask seldom."""
        if self._allowed.is_set() and turn.refusals and turn.status is not None:
            self._report.refused(turn.status, turn.refusals, turn.wait)

    async def _one(self) -> float:
        """One session from start to end; returns the seconds to wait before the next."""
        host, port = self._place
        self._report.host = f"{host}:{port}"
        self._report.say("connecting")
        self._down.clear()
        self._worked = False
        self._sessions += 1
        try:
            connection = await link.bind(self._view, (host, port), self._take, self._wire.tap(self._name))
        except (OSError, TimeoutError, SessionError, link.BindRefused) as error:
            self._turn += 1  # a session that was lost is looked for where it was, a try that failed elsewhere
            return await self._failed(error)
        self._up(connection)
        await self._admission.accepted()
        began = time.monotonic()
        await self._down.wait()
        if time.monotonic() - began > STEADY:
            self._backoff.reset()
        pause = self._backoff.lost(self._view, worked=self._worked)
        if not self._ending.is_set() and self._allowed.is_set():
            self._report.say("waiting", retry_in=pause)
        return pause

    @property
    def _name(self) -> str:
        """The present session in the wire log: the bind, and which of its sessions since the start."""
        return f"{self._bind_no}.{self._sessions}"

    async def _failed(self, error: Exception) -> float:
        status = error.status if isinstance(error, link.BindRefused) else None
        self._report.bind_status = status
        if await self._admission.failed(status, self._report.host):
            log.warning("bind_refused", connector=self._view.name, bind=self._bind_no, error=str(error))
            self._wire.event(self._name, f"not bound: {error}")
            return 0.0  # when to try again is asked of all binds' tries
        pause = self._backoff.failed(error, self._view)
        said = str(error) or repr(error)
        self._wire.event(self._name, f"not bound: {said}; next try in {pause:.1f} s")
        log.warning("bind_failed", connector=self._view.name, bind=self._bind_no, error=said, retry_in=pause)
        if self._allowed.is_set():
            self._report.say("refused" if isinstance(error, link.BindRefused) else "waiting", said, pause)
        return pause

    def _up(self, connection: Connection) -> None:
        if self._ending.is_set() or not self._allowed.is_set() or connection.closed:
            connection.abort()  # too late
            self._down.set()
            return
        self.connection = connection
        connection.on_writable = self._on_change
        self._report.bind_status = 0
        self._report.say("bound")
        log.info("bound", connector=self._view.name, bind=self._bind_no)
        self._on_change()

    def _take(self, connection: Connection, batch: list[events.Event]) -> None:
        """Events of a session, also of one whose bind is not through yet."""
        self._on_events(connection, batch)
        self._worked = self._worked or any(map(_is_work, batch))
        if not isinstance(batch[-1], events.Closed) or connection is not self.connection:
            return
        reason = batch[-1].reason.name.lower()
        self._wire.event(self._name, f"ended: {batch[-1].reason.value}")
        if not self._ending.is_set():
            log.warning("link_lost", connector=self._view.name, bind=self._bind_no, reason=reason)
            self._report.say("waiting", f"link lost: {reason}")
        self.connection = None
        self._down.set()
        self._on_change()

    def end(self) -> None:
        """Begin no further session."""
        self._ending.set()

    async def unbind(self, patience: float) -> None:
        """Say good-bye to the carrier and close."""
        connection = self.connection
        if connection is None:
            return
        try:
            async with asyncio.timeout(patience):
                await connection.unbind()
        except (TimeoutError, SessionError) as error:
            log.info("unbind_unanswered", connector=self._view.name, error=str(error))
        connection.close()


def _is_work(event: events.Event) -> bool:
    match event:
        case events.ResponseReceived(pdu=SubmitSmResp()) | events.RequestReceived(pdu=DeliverSm() | DataSm()):
            return True
    return False
