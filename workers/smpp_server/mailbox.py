"""The postman: carries receipts and texts from the mailbox to the clients who are bound here and can receive.

Rows are claimed for whoever has room, a little more than the peer's window holds; what is not answered is tried again
later under the same id (messaging.mailbox). One turn at a time: claims never overtake each other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from accounts.snapshot import accounts
from messaging import mailbox
from messaging.mailbox import Handed, Held
from messaging.models import Delivery
from messaging.webhooks import new_token
from smpp.constants import status_name
from smpp.errors import FieldError, SessionError
from smpp.events import Closed, ResponseReceived, ResponseTimeout
from smpp.pdu import Pdu
from smpp.status_classes import StatusClass, classify
from workers.binds.background import end, lasting, within
from workers.smpp_server.receipts_out import pdus_of
from workers.smpp_server.recorder import Recorder
from workers.smpp_server.register import Register

if TYPE_CHECKING:
    from workers.database import DatabaseThreads
    from workers.smpp_server.client_session import ClientSession

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 0.1  # seconds between looks into the mailbox while nothing happens
CLIENTS_A_LOOK: Final = 2_000  # a second: with more clients the looks come less often
AHEAD: Final = 4  # windows that are claimed ahead, so that a fast reader never waits for a claim
MOST_HELD: Final = 400  # rows of one client in our memory
KEPT_FOR: Final = 15.0  # seconds in our memory unsent; then they go back, before their lease ends
# The client says "not now" (spec/smpp.md 5.7); anything else is his last word.
_LATER: Final = frozenset({StatusClass.THROTTLE, StatusClass.BUSY, StatusClass.TEMPORARY, StatusClass.SESSION})


@dataclass(slots=True, eq=False)
class _Flight:
    """One delivery on one session: as many PDUs as wait for an answer."""

    held: Held
    left: int
    failed: int = 0  # the first command_status that was not 0


@dataclass(slots=True)
class _Box:
    """What this process holds for one client."""

    waiting: deque[tuple[Held, float]] = field(default_factory=deque)
    flying: int = 0

    @property
    def held(self) -> int:
        return len(self.waiting) + self.flying


class Postman:
    """Runs on the server's loop from `start` until `stop`."""

    def __init__(self, register: Register, database: "DatabaseThreads") -> None:
        self._register, self._database = register, database
        self._recorder = Recorder(database)
        self._boxes: dict[int, _Box] = {}
        self._bell = asyncio.Event()
        self._eager: set[int] = set()
        self._more: set[int] = set()  # clients whose last claim left something behind
        self._tasks: list[asyncio.Task[None]] = []
        self.handed = 0

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [lasting(self._run, "postman")]

    async def stop(self, patience: float) -> None:
        """Claim no more, wait for answers at most `patience` seconds, give the rest back, and write it all."""
        await end(self._tasks)
        for client_id, box in self._boxes.items():
            self._give_back(client_id, box, float("inf"))
        until = time.monotonic() + patience
        while any(box.flying for box in self._boxes.values()) and time.monotonic() < until:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Write what has been answered; call it when the sessions have ended."""
        await self._recorder.close()

    def wake(self, client_id: int) -> None:
        """There may be something to do for this client: he is bound, he reads again, he has answered."""
        if client_id:
            self._eager.add(client_id)
            self._bell.set()

    # -- what sessions tell -----------------------------------------------------------------------

    def answered(self, session: "ClientSession", event: ResponseReceived | ResponseTimeout) -> None:
        """A PDU of ours was answered, or was not in time."""
        flight = event.context
        if not isinstance(flight, _Flight):
            return
        late = isinstance(event, ResponseTimeout)
        flight.left -= 1
        if late:
            flight.failed = flight.failed or -1
        elif isinstance(event, ResponseReceived) and event.pdu.status:
            flight.failed = flight.failed or event.pdu.status
        if not flight.left:
            self._landed(session, flight)

    def lost(self, session: "ClientSession", event: Closed) -> None:
        """A session has ended: what it had not answered is due at once, for another bind or the next one."""
        flights = {one.context for one in event.unanswered if isinstance(one.context, _Flight)}
        for flight in flights:
            self._box(session.client_id).flying -= 1
            self._recorder.add(Handed(flight.held, Delivery.State.PENDING, 0.0, None, "the session ended first"))
        self.wake(session.client_id)

    def _landed(self, session: "ClientSession", flight: _Flight) -> None:
        box = self._box(session.client_id)
        box.flying -= 1
        self._recorder.add(_verdict(flight))
        if not flight.failed:
            session.delivered += 1
            self.handed += 1
        self._fill(session.client_id, box)
        if session.client_id in self._more and len(box.waiting) <= session.connection.session.free_slots:
            self.wake(session.client_id)

    # -- claiming ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            clients = self._register.receiving_clients()
            nobody = not (clients or self._boxes)  # the bell tells of the first bind
            await within(self._bell, None if nobody else max(LOOK_EVERY, len(clients) / CLIENTS_A_LOOK))
            self._bell.clear()
            await self._turn()

    async def _turn(self) -> None:
        eager, self._eager = self._eager, set()
        here = set(self._register.receiving_clients())
        self._tidy(here)
        room = {client: self._room(client) for client in here}
        asked = [client for client in sorted(here) if room[client] > 0]
        try:
            known = [client for client in asked if client in eager]
            unknown = [client for client in asked if client not in eager]
            due = known + (await self._database.run(mailbox.with_mail, unknown) if unknown else [])
            chosen = {one: room[one] for one in due}
            found = await self._database.run(mailbox.claim, token=new_token(), room=chosen) if chosen else []
        except Exception as error:  # the store is away: look again
            log.warning("mailbox_not_read", error=str(error))
            self._eager |= eager
            await asyncio.sleep(1.0)
            return
        self._took(found, chosen)

    def _took(self, found: Iterable[Held], room: dict[int, int]) -> None:
        now, taken = time.monotonic(), dict.fromkeys(room, 0)
        for held in found:
            self._box(held.smpp_client_id).waiting.append((held, now))
            taken[held.smpp_client_id] += 1
        for client, count in taken.items():
            if count:
                self._fill(client, self._box(client))
            if count and count == room[client]:
                self._more.add(client)  # it is claimed as soon as there is room again
            else:
                self._more.discard(client)

    def _room(self, client_id: int) -> int:
        """Rows that may be claimed for a client now."""
        window = sum(
            one.connection.session.free_slots + one.connection.session.outstanding
            for one in self._register.receivers(client_id)
            if one.connection.writable
        )
        held = self._box(client_id).held
        wanted = min(window * AHEAD, MOST_HELD)
        # Few at a time would be many statements: wait until half of it is free.
        return wanted - held if held * 2 <= wanted else 0

    def _tidy(self, here: set[int]) -> None:
        """Give back what nobody here can take, and what waits too long for its turn."""
        now = time.monotonic()
        for client_id, box in list(self._boxes.items()):
            self._give_back(client_id, box, now - KEPT_FOR if client_id in here else float("inf"))
            if not box.held and client_id not in here:
                del self._boxes[client_id]

    def _give_back(self, client_id: int, box: _Box, before: float) -> None:
        while box.waiting and box.waiting[0][1] < before:
            held, _ = box.waiting.popleft()
            self._recorder.add(Handed(held, Delivery.State.PENDING, 0.0, None, "", tried=False))

    # -- handing over -----------------------------------------------------------------------------

    def _fill(self, client_id: int, box: _Box) -> None:
        """Write what waits, on the sessions with free slots in turn."""
        client = accounts().smpp(client_id)
        if client is None:
            return
        while box.waiting:
            session = _freest(self._register.receivers(client_id))
            if session is None:
                return
            held, _ = box.waiting.popleft()
            try:
                pdus = pdus_of(held, client, tlvs_allowed=session.connection.session.tlvs_allowed)
            except (ValueError, KeyError, TypeError) as error:
                log.error("mailbox_unreadable", delivery=str(held.id), error=str(error))
                self._recorder.add(Handed(held, Delivery.State.EXHAUSTED, 0.0, None, f"unreadable: {error}"))
                continue
            self._send(session, box, held, pdus)

    def _send(self, session: "ClientSession", box: _Box, held: Held, pdus: list[Pdu]) -> None:
        flight = _Flight(held, len(pdus))
        sent = 0
        try:
            for pdu in pdus:
                session.connection.submit(pdu, flight)
                sent += 1
        except FieldError as error:
            log.error("mailbox_unwritable", delivery=str(held.id), error=str(error))
            self._recorder.add(Handed(held, Delivery.State.EXHAUSTED, 0.0, None, f"cannot be written: {error}"))
        except SessionError as error:  # no room for all its parts, or the session is ending
            log.info("mailbox_not_sent", delivery=str(held.id), error=str(error))
            flight.left, flight.failed = sent, -1
            if not sent:
                self._recorder.add(Handed(held, Delivery.State.PENDING, 1.0, None, str(error), tried=False))
        if sent:
            box.flying += 1

    def _box(self, client_id: int) -> _Box:
        return self._boxes.setdefault(client_id, _Box())


def _freest(sessions: "Iterable[ClientSession]") -> "ClientSession | None":
    free = [one for one in sessions if one.connection.writable and one.connection.session.free_slots]
    return max(free, key=lambda one: one.connection.session.free_slots, default=None)


def _verdict(flight: _Flight) -> Handed:
    """What an answer means for the row: taken, later, or never."""
    held, status = flight.held, flight.failed
    if not status:
        return Handed(held, Delivery.State.DELIVERED, 0.0, 0)
    if status < 0:
        return Handed(held, Delivery.State.PENDING, mailbox.wait_after(held.tries + 1), None, "not answered in time")
    if classify(status) in _LATER:
        return Handed(held, Delivery.State.PENDING, mailbox.wait_after(held.tries + 1), status, status_name(status))
    return Handed(held, Delivery.State.EXHAUSTED, 0.0, status, f"refused: {status_name(status)}")
