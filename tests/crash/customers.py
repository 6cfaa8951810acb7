"""Customers on SMPP, bound to every host at once: each sends over whichever lets it, and hears over any."""

import asyncio
import contextlib
import itertools
import random
import re
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from smpp import events, stream
from smpp.constants import CommandStatus
from smpp.errors import SessionError
from smpp.pdu import BindTransceiver, DeliverSm, SubmitSm
from smpp.session_config import SessionConfig
from tests.crash.checker import Figure
from tests.crash.evidence import Evidence

PREFIX = "9716"
EVERY = 0.2  # seconds between two messages
PATIENCE = 3.0  # seconds for an answer; then the session is given up
AGAIN = 0.5  # seconds between two tries to bind
_RECEIPT = re.compile(rb"id:(\S+) .*stat:(\w+)", re.DOTALL)
Place = tuple[str, int]


@dataclass(slots=True)
class Said:
    """One message that a server has taken."""

    number: int
    at: float  # monotonic
    told: list[str] = field(default_factory=list)


class Customers:
    """One login that is bound to each of the servers; everything public may be called from any thread."""

    def __init__(self, places: list[Place], *, system_id: str, password: str, seed: int) -> None:
        self._places, self._login = places, (system_id, password)
        self._dice = random.Random(f"customers {seed}")
        self._sessions: dict[Place, stream.Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="customers", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._pump: asyncio.Task[None] | None = None
        self._number = 0
        self.taken: dict[str, Said] = {}
        self.early: dict[str, list[str]] = {}
        self.doubted = self.refused = 0

    @property
    def bound(self) -> int:
        """To how many servers now."""
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """Messages that were taken and whose receipt has not come."""
        return sum(not said.told for said in list(self.taken.values()))

    def start(self) -> None:
        """Bind, and send."""
        self._thread.start()
        self._run(self._begin())

    def stop_sending(self) -> None:
        """Only listen from now on."""
        self._run(self._quiet())

    def stop(self) -> None:
        """Hang up."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def silence(self) -> float:
        """The longest time in seconds between two messages that a server took."""
        times = sorted(said.at for said in self.taken.values())
        return max((after - before for before, after in itertools.pairwise(times)), default=0.0)

    def _run(self, deed: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(deed, self._loop).result(30)

    async def _begin(self) -> None:
        self._tasks = [asyncio.create_task(self._stay_bound(place)) for place in self._places]
        self._pump = asyncio.create_task(self._send_for_ever())

    async def _quiet(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for session in list(self._sessions.values()):
            session.abort()

    async def _stay_bound(self, place: Place) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError, SessionError):
                session = await stream.connect(*place, config=_CONFIG, timeout=3)
                session.on_events = partial(self._heard, session)
                system_id, password = self._login
                answer = await session.request(BindTransceiver(system_id=system_id, password=password), timeout=5)
                if answer.status == 0:
                    self._sessions[place] = session
                    await session.wait_closed()
                session.abort()
            self._sessions.pop(place, None)
            await asyncio.sleep(AGAIN)

    def _heard(self, session: stream.Connection, batch: list[events.Event]) -> None:
        for event in batch:
            if isinstance(event, events.RequestReceived) and isinstance(event.pdu, DeliverSm):
                self._receipt(event.pdu)
                with contextlib.suppress(SessionError):
                    session.respond(event.pdu.reply())

    def _receipt(self, pdu: DeliverSm) -> None:
        found = _RECEIPT.search(pdu.short_message)
        if found:
            name, word = found[1].decode(), found[2].decode()
            known = self.taken.get(name)
            (known.told if known is not None else self.early.setdefault(name, [])).append(word)

    async def _send_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            sessions = list(self._sessions.items())
            if sessions:
                place, session = self._dice.choice(sessions)
                self._number += 1
                await self._send(place, session, self._number)

    async def _send(self, place: Place, session: stream.Connection, number: int) -> None:
        pdu = SubmitSm(
            source_addr="INFO", source_addr_ton=5, destination_addr=f"{PREFIX}{number:08d}", dest_addr_ton=1,
            dest_addr_npi=1, registered_delivery=1, short_message=f"#{number:08d}# code".encode(),
        )  # fmt: skip
        try:
            answer = await session.request(pdu, timeout=PATIENCE)
        except (SessionError, TimeoutError):
            self.doubted += 1
            session.abort()
            self._sessions.pop(place, None)
            return
        if answer.status == CommandStatus.ESME_ROK:
            name = getattr(answer, "message_id", "")
            self.taken[name] = Said(number, time.monotonic(), self.early.pop(name, []))
        else:
            self.refused += 1

    # -- the judge

    def judge(self, evidence: Evidence) -> tuple[Evidence, list[Figure]]:
        """Their own figures, and the evidence without what is theirs."""
        rows = {row["message_id"]: row for row in evidence.messages if not row["client_ref"]}
        copies: dict[int, int] = {}
        for copy in evidence.copies:
            if copy.to.startswith(PREFIX):
                number = int(copy.to[len(PREFIX) :])
                copies[number] = copies.get(number, 0) + 1
        rest = evidence.without(rows, PREFIX)
        of = len(self.taken)
        lost = [said.number for said in self.taken.values() if not copies.get(said.number)]
        untold = [said.number for said in self.taken.values() if not said.told]
        wrong = [said.number for said in self.taken.values() if set(said.told) - {"DELIVRD"}]
        doubled = [said.number for said in self.taken.values() if copies.get(said.number, 0) > 1]
        unflagged = [
            said.number for name, said in self.taken.items()
            if copies.get(said.number, 0) > 1 and rows.get(name, {}).get("possible_duplicate") != "True"
        ]  # fmt: skip
        return rest, [
            _figure("esme_lost", lost, of, "taken by one of our SMPP servers, not at the carrier"),
            _figure("esme_receipts_missing", untold, of, "taken, and its receipt came over no server"),
            _figure("esme_receipts_wrong", wrong, of, "the carrier delivered it, the customer heard something else"),
            _figure("esme_unflagged_duplicates", unflagged, of, "two copies without possible_duplicate"),
            Figure("esme_ambiguous_duplicates", len(doubled), of, None, meaning="two copies, all flagged"),
            Figure("esme_doubted", self.doubted, of + self.doubted, None, meaning="submit_sm that nobody answered"),
            Figure(
                "esme_longest_silence", round(self.silence()), of, 15,
                meaning="seconds without any message taken by either server",
            ),
        ]  # fmt: skip


def _figure(name: str, numbers: list[int], of: int, meaning: str) -> Figure:
    return Figure(name, len(numbers), of, 0, [str(number) for number in numbers[:10]], meaning)


_CONFIG = SessionConfig(window=10, enquire_link_seconds=2, enquire_link_response_seconds=2, response_seconds=PATIENCE)
