"""Connecting one bind: TCP, TLS, the bind PDU, and how long to wait before the next try."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from connectors.hosts import Place
from connectors.models import BindMode
from connectors.snapshot import ConnectorView
from connectors.tls import tls_context
from smpp import stream
from smpp.constants import CommandStatus, status_name
from smpp.events import Event
from smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter
from smpp.session_config import SessionConfig
from smpp.tapping import Tap

_BINDS = {
    BindMode.TRANSCEIVER: BindTransceiver,
    BindMode.TRANSMITTER: BindTransmitter,
    BindMode.RECEIVER: BindReceiver,
}
ALREADY_BOUND_EXTRA = 10.0  # seconds beyond the peer's inactivity timer
TICK = 0.5  # seconds between looks at the timers of a session, which are whole seconds
LADDER = (1, 2, 5, 10, 20, 40, 80, 160, 300)
LOST_MAX = 5.0  # seconds before a carrier that worked with us is bound again: what waits must go out within 15 s


@dataclass(slots=True)
class BindRefused(Exception):
    """The carrier answered the bind with an error."""

    status: int

    def __str__(self) -> str:
        return f"bind refused: {status_name(self.status)}"


@dataclass(slots=True)
class Backoff:
    """Seconds until the next try of this bind: 1, 2, 5 … 300 with full jitter.

    Sessions that end after work are no failed tries: their waits grow to LOST_MAX only. Refused credentials are the
    business of all binds of a connector together (admission).
    """

    tries: int = 0
    losses: int = 0

    def failed(self, error: Exception, view: ConnectorView) -> float:
        """A try failed; how long to wait."""
        if isinstance(error, BindRefused) and error.status == CommandStatus.ESME_RALYBND:
            return float(view.inactivity_timeout) + ALREADY_BOUND_EXTRA
        self.tries += 1
        return _jittered(self.tries, view.reconnect_max)

    def lost(self, view: ConnectorView, *, worked: bool) -> float:
        """A session ended that had been bound; how long to wait."""
        if not worked:
            return self.failed(ConnectionError(), view)
        self.tries = 0
        self.losses += 1
        return _jittered(self.losses, min(LOST_MAX, view.reconnect_max))

    def reset(self) -> None:
        """The bind held for a minute."""
        self.tries = self.losses = 0


def _jittered(nth: int, most: float) -> float:
    step = min(LADDER[min(nth, len(LADDER)) - 1], most)
    return max(0.2, random.uniform(0, step))  # noqa: S311 - jitter, not a secret


async def bind(
    view: ConnectorView,
    place: Place,
    on_events: Callable[[stream.Connection, list[Event]], None],
    tap: Tap | None = None,
) -> stream.Connection:
    """Connect to one host of the carrier and bind; raises OSError, TimeoutError, SessionError or BindRefused.

    Nothing stays open on failure. `on_events` gets the connection as well: what comes right behind the carrier's
    answer comes before we return.
    """
    tls = tls_context(view) if view.use_tls else None
    host, port = place
    connection = await stream.connect(
        host,
        port,
        config=_config(view),
        ssl=tls,
        server_hostname=(view.tls_server_name or host) if tls else None,
        timeout=view.connect_timeout,
        limits=stream.StreamLimits(tick_seconds=TICK),
    )
    connection.on_events = partial(on_events, connection)
    connection.session.tap = tap
    try:
        request = _BINDS[BindMode(view.bind_mode)](
            system_id=view.system_id,
            password=view.password,
            system_type=view.system_type,
            interface_version=view.interface_version,
            address_range=view.address_range,
        )
        answer = await connection.request(request, timeout=view.bind_timeout)
        if answer.status:
            raise BindRefused(answer.status)
    except BaseException:
        connection.abort()
        raise
    return connection


def _config(view: ConnectorView) -> SessionConfig:
    return SessionConfig(
        window=view.window,
        session_init_seconds=view.bind_timeout,
        enquire_link_seconds=view.enquire_link_interval,
        enquire_link_response_seconds=view.enquire_link_timeout,
        response_seconds=view.response_timeout,
        inactivity_seconds=0,  # a quiet night is no fault of a carrier link; enquire_link watches it
        partial_pdu_seconds=view.pdu_read_timeout,
        interface_version=view.interface_version,
        send_tlvs="always",
    )
