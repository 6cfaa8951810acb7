"""The certificate of the TLS port, read again when its file has changed."""

import os
import ssl
from dataclasses import dataclass

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Certificate:
    """A context and the files it was made of; new handshakes see what is loaded into it."""

    context: ssl.SSLContext
    cert: str
    key: str
    changed_at: float

    def refresh(self) -> None:
        """Load the files again when they have changed."""
        try:
            changed_at = os.stat(self.cert).st_mtime
            if changed_at != self.changed_at:
                self.context.load_cert_chain(self.cert, self.key or None)
                self.changed_at = changed_at
                log.info("smpp_certificate_loaded")
        except (OSError, ssl.SSLError) as error:  # half a renewal: the old one goes on
            log.warning("smpp_certificate_not_loaded", error=str(error))


class Certificate:
    """The TLS side of one server; without SMPP_TLS_CERT there is none."""

    def __init__(self) -> None:
        self._loaded: _Certificate | None = None
        cert, key = settings.SMPP_TLS_CERT, settings.SMPP_TLS_KEY
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(cert, key or None)
            self._loaded = _Certificate(context, cert, key, os.stat(cert).st_mtime)

    @property
    def context(self) -> ssl.SSLContext | None:
        """What the listener takes; None: no TLS."""
        return self._loaded.context if self._loaded else None

    def refresh(self) -> None:
        """Follow a renewed certificate."""
        if self._loaded:
            self._loaded.refresh()
