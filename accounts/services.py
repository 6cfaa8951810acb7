"""Every change to customers, people and credentials, each with its line in the audit log.

All arguments are by keyword. Plain secrets are in the return value once and nowhere else. Wrong values raise
ValidationError before anything is written.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models, transaction

from accounts.audit import SYSTEM, Actor, changes, entity, facts, record
from accounts.credentials import SCOPES
from accounts.models import Account, ApiClient, ApiKey, PermissionGroup, Role, SmppClient, StaffKey, User
from accounts.models.user import PERMISSIONS
from accounts.verification import LONGEST_PASSWORD
from common.clock import utc_now
from common.secrets import digest, random_password, random_token

KEY_PREFIX = "httpapi_"
SHOWN_OF_KEY = 12
SMPP_PASSWORD_OCTETS = 8  # SMPP 3.4 §4.1.1: nine octets with the closing NUL
ROTATION = timedelta(hours=24)  # how long the former key still works (interface habit 7)
M = TypeVar("M", bound=models.Model)

__all__ = [
    "SYSTEM",
    "Actor",
    "change",
    "check_machine_password",
    "create_account",
    "create_api_client",
    "create_permission_group",
    "create_smpp_client",
    "create_standalone_client",
    "create_user",
    "issue_key",
    "record",
    "resume",
    "revoke_key",
    "rotate_key",
    "set_password",
    "set_user_password",
    "state_of_key",
    "suspend",
]


def create_account(*, name: str, actor: Actor = SYSTEM, **fields: Any) -> Account:
    """A new customer. Wallet and opening credits are billing's (billing.services.open_wallet, top_up)."""
    return _created(Account(name=name, **fields), actor)


def suspend(*, account: Account, actor: Actor = SYSTEM) -> Account:
    """Refuse every credential of the account from now on."""
    return change(row=account, action="suspend", actor=actor, active=False)


def resume(*, account: Account, actor: Actor = SYSTEM) -> Account:
    """Undo `suspend`."""
    return change(row=account, action="resume", actor=actor, active=True)


def create_api_client(
    *, account: Account, username: str, password: str | None = None, actor: Actor = SYSTEM, **options: Any
) -> tuple[ApiClient, str]:
    """An HTTP API account and its plain password, drawn when none is given."""
    plain = password or random_token(18)
    client = ApiClient(account=account, username=username, password=_hashed_for(ApiClient, plain), **options)
    return _created(client, actor), plain


def create_standalone_client(
    *,
    username: str,
    password: str | None = None,
    account_fields: Mapping[str, Any] | None = None,
    actor: Actor = SYSTEM,
    **options: Any,
) -> tuple[ApiClient, str]:
    """An HTTP API account that belongs to no customer: it gets an Account of its own name (requirements 1C).

    The caller opens and tops up its wallet by billing.services, which lies above this package.
    """
    with transaction.atomic():
        account = create_account(name=username, actor=actor, **(account_fields or {}))
        return create_api_client(account=account, username=username, password=password, actor=actor, **options)


def create_smpp_client(
    *, account: Account, system_id: str, password: str | None = None, actor: Actor = SYSTEM, **options: Any
) -> tuple[SmppClient, str]:
    """An ESME account and its plain password of at most 8 octets, drawn when none is given."""
    plain = password or random_password(SMPP_PASSWORD_OCTETS)
    client = SmppClient(account=account, system_id=system_id, password=_hashed_for(SmppClient, plain), **options)
    return _created(client, actor), plain


def set_password(*, client: ApiClient | SmppClient, password: str | None = None, actor: Actor = SYSTEM) -> str:
    """Give a machine credential a new password; the former one ends at once. Returns the plain one."""
    smpp = isinstance(client, SmppClient)
    plain = password or (random_password(SMPP_PASSWORD_OCTETS) if smpp else random_token(18))
    with transaction.atomic():
        client.password = _hashed_for(type(client), plain)
        client.save(update_fields=["password"])
        record(action="set_password", entity=entity(client), entity_id=client.pk, actor=actor)
    return plain


def issue_key(
    *,
    client: ApiClient,
    name: str = "",
    scopes: Iterable[str] = (),
    plain: str | None = None,
    expires_at: datetime | None = None,
    ip_whitelist: Iterable[str] = (),
    actor: Actor = SYSTEM,
) -> tuple[ApiKey, str]:
    """A key of the client and its text, which is kept nowhere; `plain` is for importing a key that exists."""
    wanted = _of("scopes", scopes, SCOPES)
    text = plain or f"{KEY_PREFIX}{random_token(32)}"
    key = ApiKey(
        account_id=client.account_id,
        api_client=client,
        name=name,
        prefix=text[: min(SHOWN_OF_KEY, len(text) // 4)],  # a short key that was brought along keeps most of itself
        key_hash=digest(text),
        scopes=wanted,
        expires_at=expires_at,
        ip_whitelist=list(ip_whitelist),
    )
    return _created(key, actor), text


def revoke_key(*, key: ApiKey, actor: Actor = SYSTEM) -> ApiKey:
    """Refuse the key from now on."""
    return change(row=key, action="revoke", actor=actor, active=False)


def rotate_key(*, key: ApiKey, keep: timedelta = ROTATION, actor: Actor = SYSTEM) -> tuple[ApiKey, str]:
    """A new key in the place of `key`, which still works for `keep`, unless it ends sooner."""
    end = utc_now() + keep
    if state_of_key(key) != "active":
        raise ValidationError("A key that has ended cannot be rotated; issue a new one.")
    with transaction.atomic():
        issued = issue_key(
            client=key.api_client, name=key.name, scopes=key.scopes, ip_whitelist=key.ip_whitelist, actor=actor
        )
        sooner = min(end, key.expires_at or end)
        change(row=key, action="rotate", actor=actor, expires_at=sooner)
    return issued


def create_user(
    *,
    username: str,
    password: str,
    role: str,
    account: Account | None = None,
    permission_group: PermissionGroup | None = None,
    email: str = "",
    must_change_password: bool = False,
    actor: Actor = SYSTEM,
    **fields: Any,
) -> User:
    """A person who may log in. Enterprise users belong to an account, staff to none.

    A password that must be changed at the first login may be weak; any other one passes the site's rules.
    """
    user = User(username=username, role=role, account=account, permission_group=permission_group, email=email, **fields)
    _check_membership(user)
    if not must_change_password:
        validate_password(password, user)
    user.set_password(password)
    user.must_change_password = must_change_password
    return _created(user, actor)


def set_user_password(*, user: User, password: str, must_change: bool, actor: Actor = SYSTEM) -> User:
    """Give a person a new password; `must_change` when somebody else chose it. Ends the person's sessions."""
    with transaction.atomic():
        user.set_password(password)
        user.must_change_password = must_change
        user.save(update_fields=["password", "must_change_password"])
        record(action="set_password", entity=entity(user), entity_id=user.pk, actor=actor)
    return user


def create_permission_group(
    *, name: str, permissions: Iterable[str], description: str = "", actor: Actor = SYSTEM
) -> PermissionGroup:
    """A set of rights for the users of accounts (S0-84, S0-85)."""
    rights = _of("permissions", permissions, PERMISSIONS)
    return _created(PermissionGroup(name=name, description=description, permissions=rights), actor)


def change(*, row: M, action: str = "change", actor: Actor = SYSTEM, **values: Any) -> M:
    """Change fields of a row of this package; the audit log keeps before and after, secrets masked."""
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    with transaction.atomic():
        row.save(update_fields=list(values))
        record(action=action, entity=entity(row), entity_id=row.pk, details=changes(row, before, values), actor=actor)
    return row


def _created(row: M, actor: Actor) -> M:
    row.full_clean()
    with transaction.atomic():
        row.save()
        record(action="create", entity=entity(row), entity_id=row.pk, details=facts(row), actor=actor)
    return row


def _check_membership(user: User) -> None:
    if user.role == Role.ENTERPRISE and user.account is None:
        raise ValidationError({"account": "An enterprise user belongs to an account."})
    if user.role != Role.ENTERPRISE and user.account is not None:
        raise ValidationError({"account": "Staff belong to no account."})


def _of(field: str, chosen: Iterable[str], allowed: Iterable[str]) -> list[str]:
    wanted, known = list(dict.fromkeys(chosen)), set(allowed)
    unknown = [item for item in wanted if item not in known]
    if unknown:
        raise ValidationError({field: f"Unknown: {', '.join(unknown)}. Of: {', '.join(sorted(known))}."})
    return wanted


def state_of_key(key: ApiKey | StaffKey) -> str:
    """Whether a key works, in one word: active, off or expired."""
    if not key.active:
        return "off"
    return "expired" if key.expires_at and key.expires_at <= utc_now() else "active"


def check_machine_password(kind: type[models.Model], plain: str) -> None:
    """Raise ValidationError for a password that a client of this kind cannot have."""
    if kind is SmppClient and not (plain.isascii() and plain.isprintable() and len(plain) <= SMPP_PASSWORD_OCTETS):
        raise ValidationError(f"A password has at most {SMPP_PASSWORD_OCTETS} ASCII characters (SMPP 3.4 §4.1.1).")
    if len(plain) > LONGEST_PASSWORD or "\0" in plain:
        raise ValidationError(f"A password has at most {LONGEST_PASSWORD} characters.")


def _hashed_for(kind: type[models.Model], plain: str) -> str:
    check_machine_password(kind, plain)
    return make_password(plain)
