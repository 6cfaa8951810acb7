"""The audit log (S0-99): who changed what, from where, and what it was before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from accounts.addresses import canonical
from accounts.models import AuditEntry
from common.secrets import MASK, EncryptedTextField

# Hashes: of no use to a reader of the log, of some to a thief.
HASHES = frozenset({"password", "key_hash"})
# Written by programs, so never a person's change.
KEPT_BY_PROGRAMS = frozenset({"last_used_at", "created_at"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person by id and name, or a program by name."""

    name: str = "system"
    user_id: int | None = None
    ip: str | None = None


SYSTEM = Actor()


def record(
    *, action: str, entity: str, entity_id: object = "", details: Mapping[str, Any] | None = None, actor: Actor = SYSTEM
) -> AuditEntry:
    """Add a line to the audit log (S0-99); `details` must not hold secrets."""
    plain = json.loads(json.dumps(dict(details or {}), default=str))
    return AuditEntry.objects.create(
        user_id=actor.user_id,
        actor=actor.name[:150],
        action=action[:64],
        entity=entity[:64],
        entity_id=str(entity_id)[:64],
        ip=canonical(actor.ip),
        details=plain,
    )


def changes(row: models.Model, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs, as {field: [before, after]}, secrets masked."""
    differing = {name: (before.get(name), value) for name, value in after.items() if before.get(name) != value}
    return {
        name: [MASK, MASK] if _secret(row, name) else [_shown(old), _shown(new)]
        for name, (old, new) in differing.items()
    }


def facts(row: models.Model) -> dict[str, Any]:
    """What a new row says of itself: fields that are set and no secret."""
    names = [field.attname for field in row._meta.concrete_fields if field.name not in KEPT_BY_PROGRAMS]
    return {name: getattr(row, name) for name in names if getattr(row, name) and not _secret(row, name)}


def _secret(row: models.Model, name: str) -> bool:
    if name in HASHES:
        return True
    fields = {field.attname: field for field in row._meta.concrete_fields}
    fields.update({field.name: field for field in row._meta.concrete_fields})
    return isinstance(fields.get(name), EncryptedTextField)


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, models.Model) else value


def entity(row: models.Model) -> str:
    """The word under which the log knows rows of this kind."""
    return row._meta.model_name or type(row).__name__.lower()
