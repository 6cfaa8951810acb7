"""Posts deliveries: at most 16 at once to one endpoint and 500 in all; an endpoint that timed out gets one."""

import asyncio
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.conf import settings

from common.clock import utc_now
from common.http import ErrorKind, GuardedSession, OutboundError, parse_networks
from messaging import webhooks
from messaging.webhooks import Claimed, Posted
from workers.database import DatabaseThreads
from workers.deliveries.signing import headers

log = structlog.get_logger(__name__)

IN_FLIGHT, PER_ENDPOINT = 500, 16
TIMEOUT = 10.0  # seconds in all for one try (S0-140)
QUEUED_PER_ENDPOINT = 64  # claimed and waiting for one endpoint; more stay in the table
LINGER = 0.05  # seconds that results wait for company
POLL = 1.0  # seconds between looks at the table for what is due
HINTS = 20_000  # ids in memory; what does not fit is found in the table
ENDPOINTS = 5_000  # endpoints remembered
BACK_LATER = 2.0  # seconds after which a delivery that found no room is due again


@dataclass(slots=True)
class Endpoint:
    """How one URL behaves, and what waits for it."""

    url: str
    allowed: int = PER_ENDPOINT
    flying: int = 0
    waiting: deque[Claimed] = field(default_factory=deque)

    def learn(self, kind: ErrorKind | None) -> None:
        """One at a time after a timeout; two more places after each answer in time."""
        self.allowed = 1 if kind is ErrorKind.TIMEOUT else min(PER_ENDPOINT, self.allowed + 2)


class DeliveryLoop:
    """Claims, posts and records deliveries until it is stopped."""

    def __init__(self) -> None:
        self._token = random.SystemRandom().getrandbits(62)
        self._hints: deque[UUID] = deque(maxlen=HINTS)
        self._endpoints: OrderedDict[str, Endpoint] = OrderedDict()
        self._flying: set[asyncio.Task[None]] = set()
        self._results: list[Posted] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self.posted = 0

    def hint(self, ids: Iterable[UUID]) -> None:
        """Deliveries that are due now; from any thread."""
        self._hints.extend(ids)
        if self._loop is not None and self._ready.is_set():
            self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """Finish what flies, give back the rest; from any thread."""
        if self._ready.wait(5) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Serve until `stop`."""
        self._loop, self._wake, self._stopping = asyncio.get_running_loop(), asyncio.Event(), False
        self._database = DatabaseThreads(2)
        allowed = parse_networks(settings.OUTBOUND_HTTP_ALLOW)
        recorder = asyncio.create_task(self._record_for_ever(), name="delivery results")
        async with GuardedSession(allowed, limit=IN_FLIGHT, limit_per_host=0) as self._session:
            self._ready.set()
            polled = float("-inf")
            while not self._stopping:
                if time.monotonic() - polled >= POLL:
                    polled = time.monotonic()
                    await self._claim(None)
                await self._claim_hints()
                self._launch()
                await self._rest()
            await self._wind_down(recorder)

    async def _rest(self) -> None:
        if self._hints and self._room():
            return
        try:
            async with asyncio.timeout(POLL / 2):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _room(self) -> int:
        waiting = sum(len(endpoint.waiting) for endpoint in self._endpoints.values())
        return IN_FLIGHT * 2 - len(self._flying) - waiting

    async def _claim_hints(self) -> None:
        room = min(self._room(), IN_FLIGHT)
        ids = [self._hints.popleft() for _ in range(min(room, len(self._hints)))] if room > 0 else []
        if ids:
            await self._claim(ids)

    async def _claim(self, ids: list[UUID] | None) -> None:
        limit = len(ids) if ids else min(self._room(), IN_FLIGHT)
        if limit <= 0:
            return
        full = [e.url for e in self._endpoints.values() if len(e.waiting) >= e.allowed]
        try:
            claimed = await self._database.run(webhooks.claim, token=self._token, limit=limit, ids=ids, saturated=full)
        except Exception as error:  # the store is away; the rows stay due
            log.warning("deliveries_not_claimed", error=str(error))
            await asyncio.sleep(0.5)
            return
        await self._sort_in(claimed)

    async def _sort_in(self, claimed: list[Claimed]) -> None:
        too_many = []
        for item in claimed:
            endpoint = self._endpoint(item.url)
            if len(endpoint.waiting) < QUEUED_PER_ENDPOINT * (1 if endpoint.allowed > 1 else 0.25):
                endpoint.waiting.append(item)
            else:
                too_many.append(item)
        if too_many:
            await self._database.run(webhooks.give_back, too_many, seconds=BACK_LATER)

    def _endpoint(self, url: str) -> Endpoint:
        endpoint = self._endpoints.get(url)
        if endpoint is None:
            endpoint = self._endpoints[url] = Endpoint(url)
            if len(self._endpoints) > ENDPOINTS:
                idle = next((e.url for e in self._endpoints.values() if not e.flying and not e.waiting), None)
                if idle is not None:
                    del self._endpoints[idle]
        self._endpoints.move_to_end(url)
        return endpoint

    def _launch(self) -> None:
        for endpoint in list(self._endpoints.values()):
            while endpoint.waiting and endpoint.flying < endpoint.allowed and len(self._flying) < IN_FLIGHT:
                endpoint.flying += 1
                task = asyncio.create_task(self._post(endpoint, endpoint.waiting.popleft()))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)

    async def _post(self, endpoint: Endpoint, item: Claimed) -> None:
        started, at = time.monotonic(), utc_now()
        code: int | None = None
        kind: ErrorKind | None = None
        error = ""
        try:
            signed = headers(str(item.id), item.body, item.secret, at)
            answer = await self._session.post_json(item.url, item.body.encode(), signed, TIMEOUT)
            code = answer.status
            error = "" if 200 <= code < 300 else f"HTTP {code}"
        except OutboundError as problem:
            kind, error = problem.kind, f"{problem.kind}: {problem.detail}"
        except Exception as problem:  # a bad secret, say: this delivery fails, the loop lives
            log.exception("delivery_failed", delivery=str(item.id))
            error = f"internal: {type(problem).__name__}"
        endpoint.flying -= 1
        endpoint.learn(kind)
        self.posted += 1
        self._results.append(Posted(item, code, error, int((time.monotonic() - started) * 1000), at))
        self._wake.set()

    async def _record_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LINGER)
            await self._record()

    async def _record(self) -> None:
        batch = self._results[:500]
        if not batch:
            return
        try:
            await self._database.run(webhooks.record, batch)
        except Exception as error:  # kept and tried again; should the lease end meanwhile, it is sent once more
            log.warning("deliveries_not_recorded", count=len(batch), error=str(error))
            await asyncio.sleep(0.5)
            return
        del self._results[: len(batch)]

    async def _wind_down(self, recorder: asyncio.Task[None]) -> None:
        unsent = [item for endpoint in self._endpoints.values() for item in endpoint.waiting]
        if self._flying:
            await asyncio.wait(self._flying, timeout=TIMEOUT + 1)
        recorder.cancel()
        await asyncio.gather(recorder, return_exceptions=True)
        try:
            while self._results:
                left = len(self._results)
                await self._record()
                if len(self._results) == left:
                    break
            await self._database.run(webhooks.give_back, unsent, seconds=0)
        except Exception as error:  # the leases end by themselves
            log.warning("deliveries_not_given_back", error=str(error))
        await self._loop.run_in_executor(None, self._database.close)  # type: ignore[union-attr]
