"""Secrets of the file: what is there stays unless the file gives another, and what is drawn is shown once."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.hashers import check_password, is_password_usable

from accounts.models import ApiClient, ApiKey, SmppClient, User
from accounts.services import Actor, change, issue_key, set_password, set_user_password
from common.secrets import digest, random_password, signing_secret
from gateway_project.provisioning.items import Item
from gateway_project.provisioning.journal import Entry, Journal
from gateway_project.provisioning.readers import DRAW

KEY_NAME: Final = "provision"  # the keys that this file may draw and whose scopes it sets
_USER_PASSWORD_LETTERS = 16


def draw_user_password() -> str:
    """A password for a person, without look-alike characters."""
    return random_password(_USER_PASSWORD_LETTERS)


def draw_webhook_secret() -> str:
    """A signing secret in the spelling of Standard Webhooks."""
    return signing_secret()


def given(item: Item, key: str) -> str | None:
    """The secret in plain letters, None when there is none or it says `generate`."""
    value = item.values.get(key)
    return value if isinstance(value, str) else None


def settle_client_password(
    client: ApiClient | SmppClient, item: Item, entry: Entry, journal: Journal, actor: Actor
) -> None:
    """Give an existing credential the file's password, unless it has it already."""
    plain = given(item, "password")
    if plain is None and not (item.values.get("password") is DRAW and not _opens(client.password)):
        return
    if plain is not None and check_password(plain, client.password):
        return
    fresh = set_password(client=client, password=plain, actor=actor)
    entry.note_secret("password")
    if plain is None:
        journal.drew(entry, "password", fresh)


def settle_user_password(user: User, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    """Give an existing person the file's password, unless the person has it already."""
    plain = given(item, "password")
    if plain is None and not (item.values.get("password") is DRAW and not _opens(user.password)):
        return
    if plain is not None and check_password(plain, user.password):
        return
    fresh = plain or draw_user_password()
    set_user_password(user=user, password=fresh, must_change=user.must_change_password, actor=actor)
    entry.note_secret("password")
    if plain is None:
        journal.drew(entry, "password", fresh)


def _opens(encoded: str) -> bool:
    return bool(encoded) and is_password_usable(encoded)


def settle_key(client: ApiClient, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    """Issue the file's key when the client lacks it; `generate` draws one for a client that never had any."""
    plain, named = given(item, "api_key"), _named_key(client, item)
    if named is not None:
        _settle_scopes(named, item, entry, actor)
    elif plain is not None or (item.values.get("api_key") is DRAW and not client.api_keys.exists()):
        scopes = item.values.get("scopes", [])
        _, text = issue_key(client=client, name=KEY_NAME, scopes=scopes, plain=plain, actor=actor)
        entry.note_secret("api_key")
        if plain is None:
            journal.drew(entry, "api_key", text)
    elif "scopes" in item.values:
        raise item.problem("scopes", f"scopes belong to an api_key, and {client.username!r} has none of this file")


def _named_key(client: ApiClient, item: Item) -> ApiKey | None:
    plain = given(item, "api_key")
    if plain is not None:
        return client.api_keys.filter(key_hash=digest(plain)).first()
    return provisioned_key(client)


def provisioned_key(client: ApiClient) -> ApiKey | None:
    """The newest key that a file gave to this client."""
    return client.api_keys.filter(name=KEY_NAME).order_by("-pk").first()


def _settle_scopes(key: ApiKey, item: Item, entry: Entry, actor: Actor) -> None:
    wanted = item.values.get("scopes", key.scopes)
    if set(wanted) != set(key.scopes):
        entry.note("scopes", key.scopes, wanted)
        change(row=key, actor=actor, scopes=wanted)


def settle_readable(
    row: Any, item: Item, entry: Entry, journal: Journal, draw: Callable[[], str], keys: dict[str, str]
) -> dict[str, str]:
    """New values of encrypted columns (`keys`: key of the file → column); the caller saves them."""
    fresh: dict[str, str] = {}
    for key, column in keys.items():
        value, stored = item.values.get(key), getattr(row, column)
        if value is DRAW and not stored:
            fresh[column] = draw()
            journal.drew(entry, key, fresh[column])
        elif isinstance(value, str) and value != stored:
            fresh[column] = value
    for key, column in keys.items():
        if column in fresh:
            entry.note_secret(key)
    return fresh
