"""Keys of staff for the API: who operates the gateway by machine, and what each key may do.

Kept apart from the credentials of customers: neither is ever looked for among the other. A look-up asks the database,
so a revoked key, and the key of a person who was switched off, are refused from the next request on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import last_used
from accounts.addresses import admits, neighbourhood, stored
from accounts.audit import SYSTEM, Actor, facts, record
from accounts.gate import key_guesses, refused, too_many
from accounts.models import StaffKey, User
from accounts.models.staff_key import STAFF_SCOPES
from common.clock import utc_now
from common.errors import Code, Rejected
from common.secrets import digest, random_token

STAFF_PREFIX = "staff_"
SHOWN = 12
DAYS = 90  # after which a key ends, unless its maker wants otherwise

__all__ = ["STAFF_SCOPES", "StaffCaller", "by_staff_key", "issue_staff_key", "may_hold_keys", "revoke_staff_key"]


@dataclass(frozen=True, slots=True)
class StaffCaller:
    """A member of staff who calls by key."""

    user_id: int
    username: str
    key_id: int
    prefix: str
    scopes: frozenset[str]
    expires_at: datetime | None
    address: str

    def require(self, scope: str) -> None:
        """Raise Rejected(FORBIDDEN) unless the key carries the scope."""
        if scope not in self.scopes:
            raise Rejected(Code.FORBIDDEN, f"The staff key lacks the scope {scope}")

    @property
    def actor(self) -> Actor:
        """Who it is, for the audit log."""
        return Actor(self.username, self.user_id, self.address)


def by_staff_key(key: str, *, address: str) -> StaffCaller:
    """Who calls; raises Rejected. Asks the database: not for event loops.

    Unknown, revoked and expired keys, and those of people who may not enter the admin, are refused alike; wrong keys
    slow further wrong keys of the same address down, never a right one (S4).
    """
    found = StaffKey.objects.select_related("user").filter(key_hash=digest(key)).first()
    if found is None or not _works(found):
        _slow_down(address)
        raise refused()
    if not admits(stored(found.ip_whitelist, owner=f"staff key {found.prefix}"), address):
        raise Rejected(Code.FORBIDDEN, "address not allowed")
    last_used.staff_keys.note(found.pk)
    return StaffCaller(
        user_id=found.user_id,
        username=found.user.get_username(),
        key_id=found.pk,
        prefix=found.prefix,
        scopes=frozenset(scope for scope in STAFF_SCOPES if scope in found.scopes),
        expires_at=found.expires_at,
        address=address,
    )


def may_hold_keys(user: User) -> bool:
    """Whether keys of this person work: who may enter the admin, with a password of their own choice."""
    return user.is_active and user.is_staff and not user.must_change_password


def issue_staff_key(
    *,
    user: User,
    scopes: Iterable[str],
    name: str = "",
    expires_at: datetime | None = None,
    ip_whitelist: Iterable[str] = (),
    actor: Actor = SYSTEM,
) -> tuple[StaffKey, str]:
    """A key of a member of staff and its text, which is kept nowhere; raises ValidationError before it writes."""
    if not user.is_staff:
        raise ValidationError({"user": "Only staff have staff keys; customers have API keys."})
    text = f"{STAFF_PREFIX}{random_token(32)}"
    key = StaffKey(
        user=user,
        name=name,
        prefix=text[:SHOWN],
        key_hash=digest(text),
        scopes=list(dict.fromkeys(scopes)),
        expires_at=expires_at,
        ip_whitelist=list(ip_whitelist),
    )
    key.full_clean()
    with transaction.atomic():
        key.save()
        record(action="create", entity="staffkey", entity_id=key.pk, details=facts(key), actor=actor)
    return key, text


def revoke_staff_key(*, key: StaffKey, actor: Actor = SYSTEM) -> StaffKey:
    """Refuse the key from now on."""
    with transaction.atomic():
        key.active = False
        key.save(update_fields=["active"])
        record(action="revoke", entity="staffkey", entity_id=key.pk, details={"active": [True, False]}, actor=actor)
    return key


def _works(key: StaffKey) -> bool:
    return key.active and not (key.expires_at and key.expires_at <= utc_now()) and may_hold_keys(key.user)


def _slow_down(address: str) -> None:
    guesser = f"staff:{neighbourhood(address)}"
    wait = key_guesses().wait(guesser)
    if wait > 0:
        raise too_many(wait)
    key_guesses().failed(guesser)
