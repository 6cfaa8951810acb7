"""TLS towards a carrier, as its connector is set up."""

import ssl
import tempfile

from connectors.snapshot import ConnectorView


def tls_context(view: ConnectorView) -> ssl.SSLContext:
    """At least TLS 1.2; the carrier's own authority and our certificate where they are given."""
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
