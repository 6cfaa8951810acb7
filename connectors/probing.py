"""Whether a carrier can be reached from here: name, socket, TLS. Each step is bounded; what fails is an answer."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from connectors.hosts import Place
from connectors.limits import MOST_HOSTS
from connectors.snapshot import ConnectorView
from connectors.tls import tls_context

NAME_SECONDS, SOCKET_SECONDS, TLS_SECONDS = 3.0, 3.0, 4.0
MOST_ADDRESSES = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether it went well, how long it took, and what was found or went wrong."""

    ok: bool
    ms: float
    error: str = ""
    found: Any = None

    def facts(self, name: str) -> dict[str, Any]:
        """As JSON; what was found under `name`."""
        return {"ok": self.ok, "ms": self.ms, "error": self.error, name: self.found}


@dataclass(frozen=True, slots=True)
class Reach:
    """One host. `tcp` and `tls` are None where the step before failed, or there is no TLS."""

    host: str
    port: int
    dns: Step
    tcp: Step | None = None
    tls: Step | None = None


def reach_all(view: ConnectorView) -> list[Reach]:
    """Every host of the carrier, eight at most and all at once, so that it takes no longer than one."""
    places = view.places[:MOST_HOSTS]
    with ThreadPoolExecutor(len(places), "probe") as threads:
        return list(threads.map(lambda place: reach(view, place), places))


def reach(view: ConnectorView, place: Place) -> Reach:
    """Look a host up, connect, shake hands; at most about fifteen seconds, and nothing is sent beyond TLS."""
    host, port = place
    dns = _timed(lambda: _addresses(host, port))
    if not dns.ok:
        return Reach(host, port, dns)
    tcp = _timed(lambda: _connect(dns.found, port))
    if not tcp.ok or not view.use_tls:
        return Reach(host, port, dns, tcp)
    return Reach(host, port, dns, tcp, _tls(view, host, (tcp.found, port)))


def _timed(step: Callable[[], Any]) -> Step:
    began = time.monotonic()
    try:
        found = step()
    except Exception as error:  # whatever the resolver, the socket or a PEM text says: it is the finding
        return Step(False, _ms(began), _words(error))
    return Step(True, _ms(began), found=found)


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {error.verify_message}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip()[:200] or type(error).__name__


def _addresses(host: str, port: int) -> list[str]:
    """In a thread of its own: a resolver knows no deadline. One that hangs is left behind."""
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=look, name="resolver", daemon=True)
    thread.start()
    thread.join(NAME_SECONDS)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return list(dict.fromkeys(str(info[4][0]) for info in found[0]))[:MOST_ADDRESSES]


def _connect(addresses: Sequence[str], port: int) -> str:
    """The first address that takes a connection; one deadline for them all, and no further asking for the name."""
    until, failed = time.monotonic() + SOCKET_SECONDS, OSError("no address")
    for address in addresses:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.create_connection((address, port), left):
                return address
        except OSError as error:
            failed = error
    raise failed


def _tls(view: ConnectorView, host: str, at: Place) -> Step:
    """The handshake as the binds do it; when it fails, what the peer shows is read without trust."""
    name = view.tls_server_name or host
    step = _timed(lambda: _handshake(at, name, tls_context(view)))
    if step.ok:
        return step
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    shown = _timed(lambda: _handshake(at, name, blind))
    return Step(False, step.ms, step.error, {**(shown.found or {}), "verified": False})


def _handshake(at: Place, name: str, context: ssl.SSLContext) -> dict[str, Any]:
    with (
        socket.create_connection(at, TLS_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as link,
    ):
        raw = link.getpeercert(binary_form=True)
        facts: dict[str, Any] = {"version": link.version(), "verified": context.verify_mode == ssl.CERT_REQUIRED}
    if raw:
        certificate = x509.load_der_x509_certificate(raw)
        facts["subject"] = certificate.subject.rfc4514_string()
        facts["issuer"] = certificate.issuer.rfc4514_string()
        facts["expires_at"] = certificate.not_valid_after_utc.isoformat()
    return facts
