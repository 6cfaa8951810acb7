"""Whether a carrier can be reached from here: name, socket, TLS. Each step is bounded; what fails is an answer."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509

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
    """`tcp` and `tls` are None where the step before failed, or there is no TLS."""

    dns: Step
    tcp: Step | None = None
    tls: Step | None = None


def reach(view: ConnectorView) -> Reach:
    """Look the carrier up, connect, shake hands; at most about ten seconds, and nothing is sent beyond TLS."""
    dns = _timed(lambda: _addresses(view.host, view.port))
    if not dns.ok:
        return Reach(dns)
    tcp = _timed(lambda: _connect(view))
    if not tcp.ok or not view.use_tls:
        return Reach(dns, tcp)
    return Reach(dns, tcp, _tls(view))


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


def _connect(view: ConnectorView) -> str:
    with socket.create_connection((view.host, view.port), SOCKET_SECONDS) as link:
        return str(link.getpeername()[0])


def _tls(view: ConnectorView) -> Step:
    """The handshake as the binds do it; when it fails, what the peer shows is read without trust."""
    step = _timed(lambda: _handshake(view, tls_context(view)))
    if step.ok:
        return step
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    shown = _timed(lambda: _handshake(view, blind))
    return Step(False, step.ms, step.error, {**(shown.found or {}), "verified": False})


def _handshake(view: ConnectorView, context: ssl.SSLContext) -> dict[str, Any]:
    with (
        socket.create_connection((view.host, view.port), TLS_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=view.tls_server_name or view.host) as link,
    ):
        raw = link.getpeercert(binary_form=True)
        facts: dict[str, Any] = {"version": link.version(), "verified": context.verify_mode == ssl.CERT_REQUIRED}
    if raw:
        certificate = x509.load_der_x509_certificate(raw)
        facts["subject"] = certificate.subject.rfc4514_string()
        facts["issuer"] = certificate.issuer.rfc4514_string()
        facts["expires_at"] = certificate.not_valid_after_utc.isoformat()
    return facts
