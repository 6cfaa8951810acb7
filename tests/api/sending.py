"""A customer with a key, the requests that it makes, and what its books say."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.snapshot import accounts
from billing.models import LedgerEntry, Reason
from connectors.snapshot import connectors
from messaging.models import IdempotencyKey, Message
from routing.snapshot import routing_table
from tests.api.lanes import Answer, Lane
from tests.support import cast

SEND, PANEL, MESSAGES = "/api/v1/http-send", "/panel/api/v1/send", "/api/v1/messages"
HELLO = {"to": cast.NUMBER, "content": "Hello"}


@dataclass
class Customer:
    """The cast's customer and a key of its client."""

    cast: cast.Cast
    key: str

    @property
    def messages(self) -> list[Message]:
        return list(Message.objects.filter(account=self.cast.account).order_by("id"))

    @property
    def message(self) -> Message:
        [only] = self.messages
        return only

    @property
    def books(self) -> tuple[int, int, int, Decimal]:
        """Messages, charges, idempotency keys, balance."""
        own = {"account": self.cast.account}
        return (
            Message.objects.filter(**own).count(),
            LedgerEntry.objects.filter(**own, reason=Reason.CHARGE).count(),
            IdempotencyKey.objects.filter(**own).count(),
            self.cast.balance,
        )

    def post(self, lane: Lane, path: str, body: Any, **headers: str) -> Answer:
        """POST JSON with the key; octets go as they are."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", "X-API-Key": self.key}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return lane.ask("POST", path, octets, given)

    def get(self, lane: Lane, path: str, **headers: str) -> Answer:
        """GET with the key."""
        return lane.ask("GET", path, None, {"X-API-Key": self.key, **headers})


def customer(credits: str = "100", **fields: Any) -> Customer:
    """A customer who can send, known to the running server."""
    who = cast.customer(credits, **fields)
    key = cast.make_key(who.client)
    settle()
    return Customer(who, key)


def settle() -> None:
    """The server's loop may not ask the database: bring its snapshots up to date from here."""
    cast.forget_snapshots()
    accounts()
    connectors()
    routing_table()
