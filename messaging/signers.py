"""Secrets that sign webhooks, in memory: read once and kept until an account changes, a second at most."""

from collections.abc import Set
from typing import Any

from accounts.models import ApiClient, WebhookEndpoint
from accounts.models.account import TOPIC
from common.site import Snapshot

Signer = tuple[Any, Any]  # ids of the client and of the endpoint, or None


def secrets_of(signers: Set[Signer]) -> dict[Signer, str]:
    """The signing secret of each: the endpoint's own, else the client's, else empty."""
    known = _known.get()
    missing = signers - known.keys()
    if missing:
        known.update(_read(missing))
    return {signer: known[signer] for signer in signers}


def _read(signers: Set[Signer]) -> dict[Signer, str]:
    clients = {client_id for client_id, _ in signers if client_id}
    points = {endpoint_id for _, endpoint_id in signers if endpoint_id}
    of_client = dict(ApiClient.objects.filter(pk__in=clients).values_list("pk", "webhook_secret"))
    of_point = dict(WebhookEndpoint.objects.filter(pk__in=points).values_list("pk", "secret"))
    return {signer: of_point.get(signer[1]) or of_client.get(signer[0]) or "" for signer in signers}


def _nothing() -> dict[Signer, str]:
    return {}


_known = Snapshot((TOPIC,), _nothing)  # a new version of the accounts empties it
