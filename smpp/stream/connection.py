"""One session on one socket."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from smpp.errors import RequestTimeout, SessionClosed
from smpp.events import Closed, CloseReason, Event, ResponseReceived, ResponseTimeout, Unanswered
from smpp.pdu import Pdu
from smpp.session import Role, Session, SessionConfig

OnEvents = Callable[[list[Event]], None]
_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close sends RST and forgets what is unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Write buffer limits in octets and times in seconds.

    Above `write_high` the connection is not `writable`; above `write_cut`, or not writable for
    `slow_reader_seconds`, the peer is cut off, because its answers must not fill our memory.
    """

    write_high: int = 256 * 1024
    write_cut: int = 4 * 1024 * 1024
    slow_reader_seconds: float = 30.0
    tick_seconds: float = 0.25


@dataclass(slots=True, eq=False)
class _Waiter:
    """The context of a `request()`; `inner` keeps its events away from `on_events`."""

    answer: asyncio.Future[Pdu] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, result: Pdu | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


def ignore(_events: list[Event]) -> None:
    """The owner that has not come yet."""


class Connection(asyncio.Protocol):
    """One SMPP link on a socket.

    `on_events` gets the events of one read (or tick) as one list; the Closed event is the last. What is
    submitted or answered within one turn of the loop leaves in one write.
    """

    def __init__(
        self,
        role: Role,
        config: SessionConfig,
        limits: StreamLimits,
        *,
        on_connection: "Callable[[Connection], None] | None" = None,
        on_lost: "Callable[[Connection], None] | None" = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.session = Session(role, config, now=self._loop.time())
        self.on_events: OnEvents = ignore
        self.on_writable: Callable[[], None] | None = None
        self.peername: tuple[Any, ...] | None = None
        self.writable = False
        self._limits = limits
        self._on_connection = on_connection
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._flush_planned = False
        self._waiters = 0
        self._paused_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[Closed] = self._loop.create_future()

    @property
    def closed(self) -> bool:
        """Whether the session has ended."""
        return self.session.closed

    # -- the owner's side -------------------------------------------------------------------------

    def submit(self, pdu: Pdu, context: Any = None, *, timeout: float | None = None) -> int:
        """Send a request and return its sequence; its end comes as an event carrying `context`.

        Raises what Session.send raises. Does not look at `writable`: the caller should.
        """
        sequence = self.session.send(pdu, context, now=self._loop.time(), timeout=timeout)
        self._plan_flush()
        return sequence

    def respond(self, response: Pdu, note: str = "") -> None:
        """Send the answer to a request of the peer, `note` to the tap; raises what Session.respond raises."""
        self.session.respond(response, now=self._loop.time(), note=note)
        self._plan_flush()

    async def request(self, pdu: Pdu, *, timeout: float | None = None) -> Pdu:  # noqa: ASYNC109 - a deadline on the wire
        """Send a request and return its answer (of any status).

        Raises RequestTimeout, SessionClosed and what `submit` raises.
        """
        waiter = _Waiter()
        self.submit(pdu, waiter, timeout=timeout)
        self._waiters += 1
        try:
            return await waiter.answer
        finally:
            # The event of a cancelled request still comes and must not reach the owner.
            if not waiter.answer.cancelled():
                self._waiters -= 1

    async def unbind(self) -> None:
        """Unbind if bound, and return when the session has ended."""
        self.wind_up()
        await self.wait_closed()

    def wind_up(self) -> None:
        """Unbind if bound, else close. Answers are still taken until the peer's own, for unbind_response_seconds;
        a peer whose own unbind is held hears first what we owe him."""
        if self.session.bound:
            self.session.unbind(now=self._loop.time())
            self._plan_flush()
        elif not self.closed and not self.session.is_leaving:
            self.close()

    def close(self, reason: CloseReason = CloseReason.LOCAL) -> None:
        """End the session at once; what is already queued is still written."""
        self._deliver(self.session.close(reason))
        self._shut()

    def abort(self, reason: CloseReason = CloseReason.LOCAL) -> None:
        """End the session and drop what is not written yet."""
        self._deliver(self.session.close(reason))
        if self._transport is not None:
            self._transport.abort()

    def reset(self, reason: CloseReason = CloseReason.LOCAL) -> None:
        """Abort, and have the kernel forget as well what the peer has not taken: nothing of ours arrives any more."""
        raw = self._transport.get_extra_info("socket") if self._transport is not None else None
        if raw is not None and not self._transport.is_closing():  # type: ignore[union-attr]
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort(reason)

    async def wait_closed(self) -> Closed:
        """Wait until the session has ended and return its last event."""
        return await asyncio.shield(self._closed)

    # -- asyncio's side ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket: no Nagle in either role, bounded write buffer."""
        # uvloop's transports share the methods, not the class.
        stream = cast(asyncio.Transport, transport)
        self._transport = stream
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            # Nagle waits for the peer's delayed ACK: 40 ms per window on a real link. Today's loops switch it
            # off by themselves; the promise is ours.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.set_write_buffer_limits(high=self._limits.write_high)
        self.peername = transport.get_extra_info("peername")
        self.writable = True
        self._timer = self._loop.call_later(self._limits.tick_seconds, self._on_tick)
        if self._on_connection is not None:
            self._on_connection(self)

    def data_received(self, data: bytes) -> None:
        """Hand the events of one read to the owner in one call, then write what came of them."""
        self._deliver(self.session.receive(data, self._loop.time()))
        self._flush()

    def pause_writing(self) -> None:
        """The write buffer is above its mark."""
        self.writable = False
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        self._paused_at = None
        if self.closed:
            return
        self.writable = True
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: hand back every unanswered context."""
        self.writable = False
        for timer in (self._timer, self._cut):
            if timer is not None:
                timer.cancel()
        self._deliver(self.session.close(CloseReason.CONNECTION_LOST))
        self._transport = None
        if self._on_lost is not None:
            self._on_lost(self)

    # -- between the two --------------------------------------------------------------------------

    def _on_tick(self) -> None:
        now = self._loop.time()
        # Planned first: an owner that raises must not stop the clock of the session.
        self._timer = self._loop.call_later(self._limits.tick_seconds, self._on_tick)
        self._deliver(self.session.tick(now))
        self._flush()
        paused = self._paused_at
        if paused is not None and now - paused >= self._limits.slow_reader_seconds:
            self.abort(CloseReason.SLOW_READER)

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        transport = self._transport
        if transport is None:
            return
        self._deliver(self.session.goodbye(self._loop.time()))
        data = self.session.take_output()
        if data and not transport.is_closing():
            transport.write(data)
            if transport.get_write_buffer_size() > self._limits.write_cut:
                self.abort(CloseReason.SLOW_READER)
                return
        if self.session.closed:
            self._shut()

    def _shut(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        data = self.session.take_output()
        if data:
            transport.write(data)
        transport.close()
        # A peer that does not read would keep the socket and its buffer for ever.
        self._cut = self._loop.call_later(self._limits.slow_reader_seconds, transport.abort)

    def _deliver(self, events: list[Event]) -> None:
        if not events:
            return
        last = events[-1]
        if isinstance(last, Closed):
            self.writable = False
        if self._waiters:
            events = [kept for event in events if (kept := _settle(event)) is not None]
        if events:
            self.on_events(events)
        if isinstance(last, Closed) and not self._closed.done():
            self._closed.set_result(last)


def _settle(event: Event) -> Event | None:
    """Give the event to the `request()` that waits for it; return what is left for the owner."""
    if isinstance(event, Closed):
        return _settle_closed(event)
    if not isinstance(event, ResponseReceived | ResponseTimeout) or not isinstance(event.context, _Waiter):
        return event
    if isinstance(event, ResponseReceived):
        event.context.settle(event.pdu)
    else:
        event.context.settle(RequestTimeout(f"request {event.sequence} was not answered in time"))
    return None


def _settle_closed(event: Closed) -> Closed:
    rest: list[Unanswered] = []
    for item in event.unanswered:
        if isinstance(item.context, _Waiter):
            item.context.settle(SessionClosed(f"the session ended first: {event.reason.value}"))
        else:
            rest.append(item)
    return Closed(event.reason, tuple(rest), event.error)
