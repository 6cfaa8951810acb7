"""Connecting one bind: TCP, TLS, the bind PDU, and how long to wait before the next try."""

import random
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from connectors.hosts import Place
from connectors.models import BindMode
from connectors.snapshot import ConnectorView
from smpp import stream
from smpp.constants import CommandStatus, status_name
from smpp.events import Event
from smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter
from smpp.session_config import SessionConfig

_BINDS = {
    BindMode.TRANSCEIVER: BindTransceiver,
    BindMode.TRANSMITTER: BindTransmitter,
    BindMode.RECEIVER: BindReceiver,
}
# Vendors lock accounts: three tries, then one every 15 minutes (spec/smpp.md 5.1).
CREDENTIAL_FAULTS = {CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID, CommandStatus.ESME_RBINDFAIL}
CREDENTIAL_TRIES, CREDENTIAL_PAUSE = 3, 900.0
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
    """Seconds until the next try: 1, 2, 5 … 300 with full jitter; slow after refused credentials.

    Sessions that end after work are no failed tries: their waits grow to LOST_MAX only.
    """

    tries: int = 0
    refusals: int = 0
    losses: int = 0

    def failed(self, error: Exception, view: ConnectorView) -> float:
        """A try failed; how long to wait."""
        if isinstance(error, BindRefused) and error.status == CommandStatus.ESME_RALYBND:
            return float(view.inactivity_timeout) + ALREADY_BOUND_EXTRA
        if isinstance(error, BindRefused) and error.status in CREDENTIAL_FAULTS:
            self.refusals += 1
            if self.refusals >= CREDENTIAL_TRIES:
                return CREDENTIAL_PAUSE
        self.tries += 1
        return _jittered(self.tries, view.reconnect_max)

    def bound(self) -> None:
        """The carrier took our credentials."""
        self.refusals = 0

    def lost(self, view: ConnectorView, *, worked: bool) -> float:
        """A session ended that had been bound; how long to wait."""
        if not worked:
            return self.failed(ConnectionError(), view)
        self.tries = 0
        self.losses += 1
        return _jittered(self.losses, min(LOST_MAX, view.reconnect_max))

    def reset(self) -> None:
        """The bind held for a minute."""
        self.tries = self.refusals = self.losses = 0


def _jittered(nth: int, most: float) -> float:
    step = min(LADDER[min(nth, len(LADDER)) - 1], most)
    return max(0.2, random.uniform(0, step))  # noqa: S311 - jitter, not a secret


async def bind(
    view: ConnectorView, place: Place, on_events: Callable[[stream.Connection, list[Event]], None]
) -> stream.Connection:
    """Connect to one host of the carrier and bind; raises OSError, TimeoutError, SessionError or BindRefused.

    Nothing stays open on failure. `on_events` gets the connection as well: what comes right behind the carrier's
    answer comes before we return.
    """
    tls = _tls(view) if view.use_tls else None
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


def _tls(view: ConnectorView) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=view.tls_ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not view.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if view.tls_certificate:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:  # the ssl module reads files only; mode 0600
            pem.write(view.tls_certificate + "\n" + view.tls_key)
            pem.flush()
            context.load_cert_chain(pem.name)
    return context
