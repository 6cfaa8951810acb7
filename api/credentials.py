"""Which credentials a request presents, and whom they belong to (S0-125 … S0-127)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from accounts.credentials import Caller, by_key, password_gate
from common.errors import Code, Rejected

LONGEST = 512  # octets of a header worth decoding


@dataclass(frozen=True, slots=True)
class Key:
    """An API key."""

    key: str


@dataclass(frozen=True, slots=True)
class Password:
    """User name and password, `in_url` when they stood in the query."""

    username: str
    password: str
    in_url: bool


Presented = Key | Password


def presented(headers: Mapping[str, str], query: Mapping[str, str]) -> Presented:
    """The first of API key, Basic, URL that the request carries; raises Rejected(INVALID_CREDENTIALS) without any.

    Only the first counts: a wrong key is not saved by a right password. Header names are lower case.
    """
    if "x-api-key" in headers:
        return Key(headers["x-api-key"].strip())
    if "authorization" in headers:
        return _basic(headers["authorization"])
    if "user" in query or "password" in query:
        return Password(query.get("user", ""), query.get("password", ""), in_url=True)
    raise wrong()


def _basic(header: str) -> Password:
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "basic" or len(token) > LONGEST:
        raise wrong()
    try:
        plain = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise wrong() from None
    username, colon, password = plain.partition(":")
    if not colon:
        raise wrong()
    return Password(username, password, in_url=False)


def wrong() -> Rejected:
    """The one answer to every wrong credential (S0-132)."""
    return Rejected(Code.INVALID_CREDENTIALS, "Invalid credentials")


def known(credential: Presented, *, address: str) -> Caller | None:
    """The caller where memory knows it: any key, a password of the last minute. Safe on an event loop."""
    if isinstance(credential, Key):
        return by_key(credential.key, address=address)
    return password_gate().known(credential.username, credential.password, address=address, in_url=credential.in_url)


async def verify(credential: Presented, *, address: str) -> Caller:
    """The caller; passwords are hashed elsewhere while the loop goes on. Raises Rejected."""
    caller = known(credential, address=address)
    if caller is not None:
        return caller
    assert isinstance(credential, Password)
    return await password_gate().verify(
        credential.username, credential.password, address=address, in_url=credential.in_url
    )


def verify_sync(credential: Presented, *, address: str) -> Caller:
    """As `verify`, for threads."""
    caller = known(credential, address=address)
    if caller is not None:
        return caller
    assert isinstance(credential, Password)
    return password_gate().verify_sync(
        credential.username, credential.password, address=address, in_url=credential.in_url
    )
