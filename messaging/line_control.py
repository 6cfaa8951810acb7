"""Start, stop, restart and drain a carrier line: the one door for the command and the API, with its audit entry."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from accounts.audit import Actor, record
from common.errors import Code, Rejected
from connectors import services
from connectors.models import Connector
from connectors.services import NotStarted

DEEDS: Mapping[str, Callable[..., Connector]] = {
    "start": services.start,
    "stop": services.stop,
    "restart": services.restart,
    "drain": services.drain,
}


def find(name: str) -> Connector:
    """The connector of this name; raises Rejected(NOT_FOUND)."""
    # PostgreSQL refuses a NUL in a text: no name has one, and it is no failure of the database.
    row = None if "\0" in name else Connector.objects.filter(name=name).first()
    if row is None:
        raise Rejected(Code.NOT_FOUND, f"There is no connector {name[:64]}")
    return row


def operate(name: str, deed: str, *, actor: Actor) -> Connector:
    """Do one of DEEDS; raises Rejected(NOT_FOUND | CONFLICT), then nothing was changed."""
    with transaction.atomic():
        before = find(name)
        try:
            after = DEEDS[deed](connector=before)
        except NotStarted as error:
            raise Rejected(Code.CONFLICT, str(error)) from error
        details = {field: [old, new] for field, old, new in _changes(before, after) if old != new}
        record(action=deed, entity="connector", entity_id=after.pk, details=details, actor=actor)
    return after


def _changes(before: Connector, after: Connector) -> list[tuple[str, Any, Any]]:
    return [(name, getattr(before, name), getattr(after, name)) for name in ("desired", "generation")]
