"""What the plain columns of a connector may hold: one rule for the admin, the provisioning and the services."""

import re

from cryptography import x509
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.hosts import split

MOST_HOSTS = 8  # a diagnosis looks at all of them within one request
WEEK = 7 * 86_400  # seconds: no message lives longer


_NAME = re.compile(r"[\w.:%-]+")  # a name of DNS or of /etc/hosts, also with letters of other scripts, or an address


def between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    """Validators of a number; the refusal names both ends."""
    words = f"{least} to {most}"
    return [MinValueValidator(least, words), MaxValueValidator(most, words)]


def check_host(text: str) -> None:
    """Raises ValidationError for what is no host name or address, or brings a port or brackets along."""
    try:
        alone = split(text, 1) == (text, 1) and _NAME.fullmatch(text) is not None
    except ValueError:
        alone = False
    if not alone:
        raise ValidationError("One host name or address, without blanks and without a port.")


def check_hosts(places: list[str]) -> None:
    """Raises ValidationError for what is no short list of `host` or `host:port`."""
    if not isinstance(places, list):
        raise ValidationError("A list of hosts, each with or without a port.")
    if len(places) >= MOST_HOSTS:
        raise ValidationError(f"{len(places)} hosts: 0 to {MOST_HOSTS - 1}")
    for place in places:
        try:
            host, _ = split(place, 1)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if not _NAME.fullmatch(host):
            raise ValidationError(f"{place!r} is no host")


def check_certificates(text: str) -> None:
    """Raises ValidationError for what is no certificate in PEM, or several."""
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValidationError("One certificate or more in PEM: -----BEGIN CERTIFICATE----- and so on.") from error
