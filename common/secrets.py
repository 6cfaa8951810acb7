"""Secrets at rest: encrypted columns, and the masks under which secrets may be shown or logged."""

import hashlib
import hmac
import secrets as _random
from base64 import b64encode
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

MASK = "********"


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty")
    return MultiFernet([Fernet(key) for key in keys])


def _current() -> MultiFernet:
    return _box(tuple(settings.FIELD_ENCRYPTION_KEYS))


def encrypt(plain: str) -> str:
    """Encrypt under the first key of FIELD_ENCRYPTION_KEYS."""
    return _current().encrypt(plain.encode()).decode() if plain else ""


def decrypt(token: str) -> str:
    """Decrypt under any key of FIELD_ENCRYPTION_KEYS; raises ImproperlyConfigured when none fits."""
    try:
        return _current().decrypt(token.encode()).decode() if token else ""
    except InvalidToken as error:
        raise ImproperlyConfigured("no key in FIELD_ENCRYPTION_KEYS opens this secret") from error


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """Text that lies encrypted in the database and is plain only in memory."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(str(value))


def digest(secret: str) -> str:
    """SHA-256 of a long random secret (API keys are 256 bits, so no slow hash is needed)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def random_token(octets: int = 32) -> str:
    """A URL-safe random text of `octets` × 8 bits."""
    return _random.token_urlsafe(octets)


def signing_secret() -> str:
    """A secret that signs webhooks, in the spelling of Standard Webhooks (24 to 64 octets)."""
    return "whsec_" + b64encode(_random.token_bytes(24)).decode()


def random_password(length: int = 8) -> str:
    """A password without look-alike characters; SMPP allows 8 octets."""
    alphabet = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(_random.choice(alphabet) for _ in range(length))
