"""Headers of a webhook: Standard Webhooks (https://www.standardwebhooks.com)."""

from collections.abc import Mapping
from datetime import datetime

from standardwebhooks.webhooks import Webhook


def headers(event_id: str, body: str, secret: str, at: datetime) -> Mapping[str, str]:
    """Id and timestamp, and the signature over id.timestamp.body when there is a secret (`whsec_…`)."""
    named = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "user-agent": "GatewayBroker-Webhook/1",
    }
    if secret:
        named["webhook-signature"] = Webhook(secret).sign(event_id, at, body)
    return named
