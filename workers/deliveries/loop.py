"""Posts deliveries: finds what is due, claims what there is room for, posts, and records in batches."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError

from common.clock import utc_now
from common.http import ErrorKind, OutboundError, parse_networks
from common.http.async_client import GuardedSession
from messaging import due, webhooks
from messaging.due import Due, Position
from messaging.webhooks import Claimed, Posted
from workers.database import DatabaseThreads
from workers.deliveries.endpoints import HELD, IN_FLIGHT, TIMEOUT, Endpoints, Flight
from workers.deliveries.signing import headers
from workers.holding import EVERY, MARGIN, Holding

log = structlog.get_logger(__name__)

LINGER = 0.05  # seconds that results wait for company
POLL = 1.0  # seconds between looks at the table
BUSY = 0.05  # the same while something is due that found no room
AFTER_FAULT = 0.5  # seconds until the store is asked again
HINTS = 20_000  # ids in memory; what does not fit is found in the table
BATCH = 200  # ids in one claim, results in one record
HINTED = 2_000  # hints looked up at once: most of a flood finds no room, and what follows it waits for one look only
FOLLOWERS = 2  # so that a new hint does not wait for the claims of the ones before
RELEASE_EVERY = 1.0  # seconds between looks for leases that ended
LOOK = 1_000  # due rows read at once
LOOKUPS = 512  # threads for names: each doubtful flight may block one, and some outlive their flight
STORE_MARGIN = 2.0  # seconds for the store when the loop ends


class DeliveryLoop:
    """Claims, posts and records deliveries until it is stopped."""

    def __init__(self) -> None:
        self._hints: deque[UUID] = deque(maxlen=HINTS)
        self._born: deque[tuple[UUID, int]] = deque(maxlen=HINTS)
        self._holding = Holding()
        self._endpoints = Endpoints(self._holding.keeps)
        self._flights: set[asyncio.Task[None]] = set()
        self._returns: set[asyncio.Task[None]] = set()  # what is being given back
        self._results: deque[Posted] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = self._landed = False
        self._after: Position | None = None
        self.posted = 0

    def hint(self, ids: Iterable[UUID], token: int | None = None) -> None:
        """Deliveries that are due now; with a token they were born claimed. From any thread, also before `run`."""
        if token is None:
            self._hints.extend(ids)
        else:
            self._born.extend((key, token) for key in ids)
        self._tell(lambda: self._hinted.set())

    def stop(self) -> None:
        """Finish what flies, give back the rest; from any thread, also before `run`."""
        self._stopping = True
        self._tell(lambda: self._end())

    def answers(self, timeout: float) -> bool:
        """Whether it takes a turn within `timeout` seconds; from another thread."""
        turned = threading.Event()
        self._tell(turned.set)
        return turned.wait(timeout)

    def _tell(self, call: Callable[[], None]) -> None:
        if self._loop is None or self._loop.is_closed():
            return  # not begun: `run` looks for itself; ended: the table knows what is due
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            log.debug("deliveries_loop_ended")  # closed between the two lines

    def _end(self) -> None:
        self._ended.set()
        self._hinted.set()
        self._look.set()

    async def run(self) -> None:
        """Serve until `stop`."""
        self._giving = asyncio.Lock()
        self._hinted, self._look, self._ended, self._recordable = (asyncio.Event() for _ in range(4))
        self._database = DatabaseThreads(2 + FOLLOWERS)
        allowed = parse_networks(settings.OUTBOUND_HTTP_ALLOW)
        async with GuardedSession(allowed, limit=IN_FLIGHT, limit_per_host=0, lookups=LOOKUPS) as self._session:
            self._loop = asyncio.get_running_loop()
            if self._hints or self._born:
                self._hinted.set()
            if self._stopping:
                self._end()
            steps = (*[self._follow_hints] * FOLLOWERS, self._watch_table, self._release)
            takers = [asyncio.create_task(self._repeat(step), name=step.__name__) for step in steps]
            recorder = asyncio.create_task(self._record_all(), name="delivery results")
            teller = asyncio.create_task(self._tell_what_is_held(), name="delivery holding")
            await self._ended.wait()
            await self._wind_down(takers, recorder, teller)

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            try:
                await step()
            except Exception as error:  # the store is away, say; the rows stay due
                log.warning("deliveries_not_taken", step=step.__name__, error=repr(error))
                await self._pause(AFTER_FAULT)

    async def _pause(self, seconds: float, *, until: asyncio.Event | None = None) -> None:
        """Rest for a time, or until the event or the end of the loop."""
        try:
            async with asyncio.timeout(seconds):
                await (until or self._ended).wait()
        except TimeoutError:
            return

    async def _follow_hints(self) -> None:
        await self._hinted.wait()
        self._hinted.clear()
        while (self._hints or self._born) and not self._stopping:
            if self._endpoints.held >= HELD:
                await self._pause(BUSY)
                continue
            if self._born:
                await self._take_born([self._born.popleft() for _ in range(min(BATCH, len(self._born)))])
            if self._hints:
                ids = [self._hints.popleft() for _ in range(min(HINTED, len(self._hints)))]
                await self._take(await self._database.run(due.named, ids))
            if self._endpoints.left_behind:
                self._look.set()

    async def _take_born(self, hinted: Sequence[tuple[UUID, int]]) -> None:
        """Let those fly for which there is room and time; the others are due for whoever has it."""
        asked = time.monotonic()
        try:
            found = await self._database.run(webhooks.born, hinted)
        except BaseException:
            self._born.extendleft(reversed(hinted))
            self._hinted.set()
            raise
        chosen = self._endpoints.choose([item for item in found if item.seconds > MARGIN])
        self._holding.take(chosen)
        self._endpoints.arrived(chosen, chosen, asked=asked)
        self._launch()
        kept = {item.id for item in chosen}
        # Not waited for: a flood that found no room must not hold up the hints behind it.
        self._keep(asyncio.create_task(self._give_back([item for item in found if item.id not in kept])), self._returns)

    async def _release(self) -> None:
        """Hints get lost and processes die: what they had is due again, without beat and broker."""
        await self._database.run(webhooks.release_stale)
        await self._pause(RELEASE_EVERY)

    async def _watch_table(self) -> None:
        began = time.monotonic()
        self._endpoints.left_behind = False
        if self._endpoints.held < HELD:
            skip = self._endpoints.skip()
            window = await self._database.run(due.scan, after=self._after, skip=skip, limit=LOOK)
            self._after = window.end
            await self._take(window.found)
        await self._until_next_look(time.monotonic() - began)

    async def _until_next_look(self, took: float) -> None:
        if self._after is not None and self._endpoints.held < HELD:
            return await self._pause(took)  # there is more to see; half of the time is for others
        await self._pause(BUSY)
        if not self._endpoints.left_behind:
            self._look.clear()
            await self._pause(POLL - BUSY, until=self._look)
        return None

    async def _take(self, found: Sequence[Due]) -> None:
        """Claim those for which there is room, and let them fly."""
        chosen = self._endpoints.choose(found)
        for at in range(0, len(chosen), BATCH):
            await self._claim(chosen[at : at + BATCH], and_let_go=chosen[at + BATCH :])

    async def _claim(self, chosen: Sequence[Due], *, and_let_go: Sequence[Due]) -> None:
        asked = time.monotonic()
        try:
            ids = [item.id for item in chosen]
            claimed = await self._database.run(webhooks.claim, token=webhooks.new_token(), ids=ids)
        except BaseException:
            self._endpoints.arrived([*chosen, *and_let_go], [], asked=asked)
            raise
        self._holding.take(claimed)
        self._endpoints.arrived(chosen, claimed, asked=asked)
        self._launch()

    def _launch(self) -> None:
        while not self._stopping and (flight := self._endpoints.next_flight()) is not None:
            self._keep(asyncio.create_task(self._fly(flight)), self._flights)
        if self._endpoints.late:
            late, self._endpoints.late = self._endpoints.late, []
            self._holding.drop(late)
            self._keep(asyncio.create_task(self._give_back(late)), self._returns)

    @staticmethod
    def _keep(task: asyncio.Task[None], among: set[asyncio.Task[None]]) -> None:
        among.add(task)
        task.add_done_callback(among.discard)

    async def _fly(self, flight: Flight) -> None:
        started, at = time.monotonic(), utc_now()
        code, kind, error = await self._post(flight, int(at.timestamp()))
        seconds = time.monotonic() - started
        self._endpoints.landed(flight, seconds, timed_out=kind is ErrorKind.TIMEOUT)
        self.posted += 1
        self._results.append(Posted(flight.item, code, error, int(seconds * 1000), at))
        self._recordable.set()
        self._launch()

    async def _post(self, flight: Flight, timestamp: int) -> tuple[int | None, ErrorKind | None, str]:
        item = flight.item
        try:
            signed = headers(str(item.id), timestamp, item.body, item.secret)
            answer = await self._session.post_json(item.url, item.body.encode(), signed, TIMEOUT)
        except OutboundError as problem:
            return None, problem.kind, f"{problem.kind}: {problem.detail}"
        except Exception as problem:  # a bad secret, say: this delivery fails, the loop lives
            log.exception("delivery_failed", delivery=str(item.id))
            return None, None, f"internal: {type(problem).__name__}"
        return answer.status, None, "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"

    async def _record_all(self) -> None:
        while self._results or not self._landed:
            await self._recordable.wait()
            if not self._landed:
                await asyncio.sleep(LINGER)
            self._recordable.clear()
            while self._results:
                if not await self._record():
                    if self._landed:
                        return  # the leases end by themselves, and what was not recorded is sent once more
                    await self._pause(AFTER_FAULT)

    async def _record(self) -> bool:
        batch = list(itertools.islice(self._results, BATCH))
        try:
            await self._database.run(webhooks.record, batch)
        except Exception as error:  # kept and tried again; should the lease end meanwhile, it is sent once more
            log.warning("deliveries_not_recorded", count=len(batch), error=repr(error))
            return False
        for _ in batch:
            self._results.popleft()
        self._holding.drop(result.claimed for result in batch)
        return True

    async def _tell_what_is_held(self) -> None:
        """As long as anything is in hand, also while the loop ends."""
        while True:
            try:
                await self._database.run(self._holding.tell, self._holding.tokens())
            except Exception as error:  # what is not kept does not begin to fly
                log.warning("deliveries_not_held", error=repr(error))
            await asyncio.sleep(EVERY)

    async def _wind_down(
        self, takers: Sequence[asyncio.Task[None]], recorder: asyncio.Task[None], teller: asyncio.Task[None]
    ) -> None:
        await asyncio.wait(takers, timeout=STORE_MARGIN)
        for taker in takers:
            taker.cancel()
        unsent = self._endpoints.empty()
        self._holding.drop(unsent)
        back = asyncio.create_task(self._give_back_all(unsent))
        if self._flights:
            await asyncio.wait(self._flights, timeout=TIMEOUT + 1)
            # Hints that came meanwhile are for others, too.
            self._keep(asyncio.create_task(self._give_back_all([])), self._returns)
        self._landed = True
        self._recordable.set()
        await asyncio.wait([recorder, back, *self._returns], timeout=STORE_MARGIN)
        for task in (recorder, back, teller, *self._flights, *self._returns):
            task.cancel()
        with contextlib.suppress(DatabaseError):  # it ends by itself
            await self._database.run(self._holding.end)
        await asyncio.get_running_loop().run_in_executor(None, self._database.close)

    async def _give_back_all(self, unsent: Sequence[Claimed]) -> None:
        await self._give_back(unsent)
        with contextlib.suppress(DatabaseError):  # what was born is due when its lease ends
            hinted = [self._born.popleft() for _ in range(len(self._born))]
            await self._give_back(await self._database.run(webhooks.born, hinted))

    async def _give_back(self, unsent: Sequence[Claimed]) -> None:
        if not unsent:
            return
        try:
            async with self._giving:  # one at a time: the other threads are for those that have room
                await self._database.run(webhooks.give_back, unsent)
        except Exception as error:  # the leases end by themselves
            log.warning("deliveries_not_given_back", count=len(unsent), error=repr(error))
