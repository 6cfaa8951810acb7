"""The postman: carries receipts and texts from the mailbox to the clients who are bound here and can receive.

He goes when a bell tells that something has come, and from time to time. Rows are claimed for whoever has room, a
little more than the peer's window holds; what is not answered is tried again later under the same id
(messaging.mailbox). One turn at a time: claims never overtake each other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from accounts.snapshot import SmppClientView, accounts
from messaging import mailbox
from messaging.mailbox import Handed, Held
from messaging.models import Delivery
from messaging.webhooks import new_token
from smpp.errors import FieldError, SessionError
from smpp.events import Closed, ResponseReceived, ResponseTimeout
from workers.binds.background import end, lasting, within
from workers.database import DatabaseThreads
from workers.holding import EVERY as TELL_EVERY
from workers.holding import MARGIN, Holding
from workers.smpp_server.bound import Bound
from workers.smpp_server.flights import NOT_ANSWERED, Box, Flight, never, untried
from workers.smpp_server.receipts_out import pdus_of
from workers.smpp_server.recorder import Recorder
from workers.smpp_server.register import Register

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 1.0  # seconds between looks that no bell asked for: what is due again, and rings that were lost
BREATH: Final = 0.02  # seconds between two claims, so that a flood of rings makes few of them
AHEAD: Final = 4  # windows that are claimed ahead, so that a fast reader never waits for a claim
MOST_HELD: Final = 400  # rows of one client in our memory
KEPT_FOR: Final = 15.0  # seconds in our memory unsent; then they go back, for another server perhaps


class Postman:
    """Runs on the server's loop from `start` until `stop`."""

    def __init__(self, register: Register, database: DatabaseThreads) -> None:
        self._register, self._database = register, database
        self._holding = Holding()
        self._recorder = Recorder(database, self._holding)
        self._boxes: dict[int, Box] = {}
        # One a session at most: no other is begun while the window is too small for the rest of it.
        self._unfinished: dict[Bound, Flight] = {}
        self._bell = asyncio.Event()
        self._eager: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._teller: asyncio.Task[None] | None = None
        self.handed = 0

    def start(self) -> None:
        """Begin to listen and to look."""
        self._tasks = [
            lasting(self._run, "postman"),
            lasting(lambda: mailbox.hear(self._rung), "mailbox bell"),
        ]
        self._teller = lasting(self._tell_what_is_held, "mailbox holding")

    async def stop(self, patience: float) -> None:
        """Claim no more, wait for answers at most `patience` seconds, give the rest back, and write it all."""
        await end(self._tasks)
        for box in self._boxes.values():
            self._give_back(box, float("inf"))
        until = time.monotonic() + patience
        while any(box.flying for box in self._boxes.values()) and time.monotonic() < until:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Write what has been answered; call it when the sessions have ended."""
        await self._recorder.close()
        if self._teller is not None:
            await end([self._teller])
        await self._database.run(self._holding.end)

    def wake(self, client_id: int) -> None:
        """There may be something to do for this client: he is bound, he reads again, he has answered."""
        if client_id:
            self._eager.add(client_id)
            self._bell.set()

    # -- what sessions tell -----------------------------------------------------------------------

    def answered(self, session: Bound, event: ResponseReceived | ResponseTimeout) -> None:
        """A PDU of ours was answered, or was not in time."""
        flight = event.context
        if not isinstance(flight, Flight):
            return
        flight.answered(NOT_ANSWERED if isinstance(event, ResponseTimeout) else event.pdu.status)
        # A read brings several answers, and all their slots are free before the first is told: the one that was begun
        # takes them before another begins, else it may have nothing under way, and nothing would speak of it again.
        begun = self._unfinished.get(session, flight)
        self._write(session, begun)
        for one in dict.fromkeys((begun, flight)):
            if one.landed:
                self._landed(session, one)

    def lost(self, session: Bound, event: Closed) -> None:
        """A session has ended: what it had not answered is due at once, for another bind or the next one."""
        flights = {one.context for one in event.unanswered if isinstance(one.context, Flight)}
        if session in self._unfinished:
            flights.add(self._unfinished.pop(session))
        for flight in flights:
            self._box(session.client_id).flying -= 1
            self._recorder.add(Handed(flight.held, Delivery.State.PENDING, 0.0, None, "the session ended first"))
        self.wake(session.client_id)

    def _landed(self, session: Bound, flight: Flight) -> None:
        box, now = self._box(session.client_id), time.monotonic()
        result = flight.verdict()
        box.heard(result, now)
        self._recorder.add(result)
        if result.state == Delivery.State.DELIVERED:
            session.delivered += 1
            self.handed += 1
        client = accounts().smpp(session.client_id)
        while client is not None and box.waiting and box.is_open(now) and _takes(session):
            self._hand(session, box, client)
        if box.more and box.room:
            self.wake(session.client_id)

    # -- claiming ---------------------------------------------------------------------------------

    def _rung(self, client_ids: Iterable[int]) -> None:
        """Something has come for these; most are bound elsewhere, or nowhere."""
        for client_id in client_ids:
            if self._register.receivers(client_id):
                self.wake(client_id)

    async def _run(self) -> None:
        looked = float("-inf")
        while True:
            nobody = not (self._register.receiving_clients() or self._boxes)  # the bell tells of the first bind
            await within(self._bell, None if nobody else max(0.0, looked + LOOK_EVERY - time.monotonic()))
            self._bell.clear()
            everybody = time.monotonic() - looked >= LOOK_EVERY
            if everybody:
                looked = time.monotonic()
            await self._turn(everybody=everybody)
            await asyncio.sleep(BREATH)

    async def _turn(self, *, everybody: bool) -> None:
        eager, self._eager = self._eager, set()
        here = set(self._register.receiving_clients())
        if everybody:
            self._tidy(here)
        concerned = here if everybody else eager & here
        for client_id in concerned:
            self._fill(client_id)
        room = self._rooms(concerned)
        if not room:
            return
        began = time.monotonic()  # the lease is as old as that at most, however late we hear of it
        try:
            found = await self._database.run(mailbox.claim, token=new_token(), room=room)
        except Exception as error:  # the store is away: look again
            log.warning("mailbox_not_read", error=str(error))
            self._eager |= eager
            await asyncio.sleep(1.0)
            return
        self._took(found, room, began)

    def _rooms(self, clients: Iterable[int]) -> dict[int, int]:
        """Rows that may be claimed for each of these now; who has no room is asked again when there is some."""
        found, now = {}, time.monotonic()
        for client_id in clients:
            box = self._box(client_id)
            box.wanted = min(AHEAD * self._window(client_id), MOST_HELD) if box.is_open(now) else 0
            box.more = not box.room
            if box.room:
                found[client_id] = box.room
        return found

    def _window(self, client_id: int) -> int:
        """Slots of the client's sessions that read, taken ones included."""
        sessions = [one.connection.session for one in self._register.receivers(client_id) if one.connection.writable]
        return sum(session.free_slots + session.outstanding for session in sessions)

    def _took(self, found: Iterable[Held], room: Mapping[int, int], claimed_at: float) -> None:
        taken = dict.fromkeys(room, 0)
        for held in found:
            self._box(held.smpp_client_id).waiting.append((held, claimed_at))
            self._holding.take((held,))
            taken[held.smpp_client_id] += 1
        for client_id, count in taken.items():
            self._box(client_id).more = count == room[client_id]
            if count:
                self._fill(client_id)

    def _tidy(self, here: set[int]) -> None:
        """Give back what nobody here can take, and what waits too long for its turn."""
        now = time.monotonic()
        for client_id, box in list(self._boxes.items()):
            self._give_back(box, now - KEPT_FOR if client_id in here else float("inf"))
            if not box.held and client_id not in here:
                del self._boxes[client_id]

    def _give_back(self, box: Box, before: float) -> None:
        while box.waiting and box.waiting[0][1] < before:
            held, _ = box.waiting.popleft()
            self._recorder.add(untried(held))

    async def _tell_what_is_held(self) -> None:
        while True:
            try:
                await self._database.run(self._holding.tell, self._holding.tokens())
            except Exception as error:  # leases end meanwhile: what waits is then not ours to send
                log.warning("mailbox_holding_not_told", error=str(error))
            await asyncio.sleep(TELL_EVERY)

    # -- handing over -----------------------------------------------------------------------------

    def _fill(self, client_id: int) -> None:
        """Write what waits, the sessions with free slots taking turns."""
        client, box, now = accounts().smpp(client_id), self._box(client_id), time.monotonic()
        if client is None or not box.waiting:
            return
        takers = deque(one for one in self._register.receivers(client_id) if _takes(one))
        while box.waiting and takers and box.is_open(now):
            session = takers.popleft()
            self._hand(session, box, client)
            if _takes(session):
                takers.append(session)

    def _hand(self, session: Bound, box: Box, client: SmppClientView) -> None:
        held, claimed_at = box.waiting.popleft()
        if not self._is_ours(held, claimed_at):
            self._holding.drop((held,))
            return
        try:
            pdus = pdus_of(held, client, tlvs_allowed=session.connection.session.tlvs_allowed)
        except (ValueError, KeyError, TypeError) as error:
            log.error("mailbox_unreadable", delivery=str(held.id), error=str(error))
            self._recorder.add(never(held, f"unreadable: {error}"))
            return
        flight = Flight(held, deque(pdus))
        self._write(session, flight)
        if flight.out:
            box.flying += 1
        else:
            self._recorder.add(flight.verdict() if flight.landed else untried(held))

    def _is_ours(self, held: Held, claimed_at: float) -> bool:
        """Whether nobody else may have claimed it: its lease is young, or everybody knows that we hold it."""
        return time.monotonic() - claimed_at < mailbox.LEASE - MARGIN or self._holding.keeps(held.token)

    def _write(self, session: Bound, flight: Flight) -> None:
        """Write its next PDUs as far as there are free slots; after a refusal, none of the rest.

        On a session that ends, what is left waits until it has ended (`lost`).
        """
        link = session.connection
        try:
            while flight.goes_on and session.receives and link.session.free_slots:
                link.submit(flight.rest[0], flight)
                flight.rest.popleft()
                flight.out += 1
        except FieldError as error:
            log.error("mailbox_unwritable", delivery=str(flight.held.id), error=str(error))
            flight.broken = f"cannot be written: {error}"
        except SessionError as error:  # it is ending
            log.info("mailbox_not_sent", delivery=str(flight.held.id), error=str(error))
            flight.failed = flight.failed or NOT_ANSWERED
        if flight.goes_on:
            self._unfinished[session] = flight
        else:
            self._unfinished.pop(session, None)

    def _box(self, client_id: int) -> Box:
        return self._boxes.setdefault(client_id, Box())


def _takes(session: Bound) -> bool:
    """Whether it receives, reads, and has a free slot."""
    return session.receives and session.connection.writable and session.connection.session.free_slots > 0
