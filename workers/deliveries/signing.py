"""Headers of a webhook: Standard Webhooks (https://www.standardwebhooks.com)."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache

PREFIX = "whsec_"
USER_AGENT = "GatewayBroker-Webhook/1"


def headers(event_id: str, timestamp: int, body: str, secret: str) -> Mapping[str, str]:
    """Id, timestamp (Unix seconds), and the signatures over id.timestamp.body when there is a secret.

    `secret` is base64 with or without `whsec_`; while one is rotated there are two with a space between, and so
    are the signatures. Raises ValueError (binascii.Error) for a secret that is not base64.
    """
    named = {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "user-agent": USER_AGENT}
    if secret:
        content = f"{event_id}.{timestamp}.{body}".encode()
        named["webhook-signature"] = " ".join(_sign(key, content) for key in _keys(secret))
    return named


@lru_cache(maxsize=1024)
def _keys(secret: str) -> tuple[bytes, ...]:
    return tuple(b64decode(one.removeprefix(PREFIX), validate=True) for one in secret.split())


def _sign(key: bytes, content: bytes) -> str:
    return f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}"
