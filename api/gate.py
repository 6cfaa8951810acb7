"""What every HTTP request passes first, on both lanes: host, client address, request id, headers, access log.

An ASGI application around another. It also makes the head of a request safe for what comes after: names of
headers with an underscore (which WSGI cannot tell from a dash), forwarding headers of strangers and queries
that are not ASCII do not get through.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from accounts.addresses import Networks, admits, parse
from api.problems import json_bytes, shape
from common.errors import Code
from common.ids import new_id
from common.phone import mask
from common.secrets import MASK

_access = logging.getLogger("api.access")
log = structlog.get_logger("api.access")

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

VISIT: Final = "gateway.visit"
PROBES: Final = frozenset({"/healthz", "/readyz"})  # asked by address, whatever the host is called; they tell nothing
JSON_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_JSON_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in JSON_HEADERS.items()]
_FORWARDED: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded")
_SANE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SECRET: Final = frozenset({"password", "pass", "pwd", "key", "api_key", "apikey", "token", "secret", "signature"})
_NUMBERS: Final = frozenset({"to", "from", "src", "dst", "msisdn", "phone", "number", "q"})
_TEXTS: Final = frozenset({"content", "msg", "text", "message"})
LONGEST_LOGGED: Final = 100


@dataclass(slots=True)
class Visit:
    """What the gate found out about a request."""

    request_id: str
    address: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    who: str = ""  # the client's user name, where the fast lane knows it


class Gate:
    """Wraps an application; answers 400 itself when the Host header is none of ours."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One event stream; only HTTP is examined."""
        if scope["type"] == "lifespan":
            return await self._application(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1000})
        visit = _enter(scope)
        leave = _Leaving(send, visit)
        try:
            if scope["path"] not in PROBES and not _is_our_host(scope):
                await respond(leave, 400, shape(Code.INVALID_VALUE, "Invalid host", request_id=visit.request_id))
            else:
                await self._application(scope, receive, leave)
        except Exception:
            log.exception("request_failed", request_id=visit.request_id)
            if not visit.status:
                await respond(leave, 500, shape(Code.INTERNAL, "Internal error", request_id=visit.request_id))
        finally:
            _write_line(scope, visit)
        return None


class _Leaving:
    """Adds the request's id, and to JSON the headers that keep it out of caches and sniffers."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self._send, self._visit = send, visit

    async def __call__(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self._visit.status = event["status"]
            event = {**event, "headers": _completed(list(event.get("headers", [])), self._visit.request_id)}
        await self._send(event)


def _completed(headers: RawHeaders, request_id: str) -> RawHeaders:
    names = {name.lower() for name, _ in headers}
    is_json = any(value.startswith(b"application/json") for name, value in headers if name.lower() == b"content-type")
    wanted = [(b"x-request-id", request_id.encode()), *(_JSON_HEADERS if is_json else ())]
    return headers + [pair for pair in wanted if pair[0] not in names]


async def respond(
    send: Send, status: int, body: dict[str, Any] | bytes, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send a whole JSON answer."""
    octets = body if isinstance(body, bytes) else json_bytes(body)
    raw: RawHeaders = [(b"content-type", b"application/json"), (b"content-length", str(len(octets)).encode())]
    raw += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": octets})


def request_id_of(given: str) -> str:
    """The caller's own request id where it is one (64 letters, digits and . _ : -), else a new one."""
    return given if _SANE_ID.fullmatch(given) else str(new_id())


def _enter(scope: Scope) -> Visit:
    headers = [(name.lower(), value) for name, value in scope["headers"] if b"_" not in name]
    found = dict(headers)
    peer = (scope.get("client") or ("", 0))[0]
    address = client_address(peer, found.get(b"x-forwarded-for", b"").decode("latin-1"), proxies())
    if _is_trusted(peer, proxies()) and found.get(b"x-forwarded-proto") in (b"http", b"https"):
        scope["scheme"] = found[b"x-forwarded-proto"].decode()
    visit = Visit(request_id_of(found.get(b"x-request-id", b"").decode("latin-1")), address)
    scope["client"] = (address, (scope.get("client") or ("", 0))[1])
    scope["headers"] = _passed_on(headers, visit.request_id)
    if not scope["query_string"].isascii():
        scope["query_string"] = quote(scope["query_string"], safe="%&=+;/?:@!$'()*,~-._").encode()
    scope[VISIT] = visit
    return visit


def _passed_on(headers: RawHeaders, request_id: str) -> RawHeaders:
    """Without what only proxies may say (it has been used), and with the id under which we log."""
    kept = [pair for pair in headers if pair[0] not in _FORWARDED and pair[0] != b"x-request-id"]
    return [*kept, (b"x-request-id", request_id.encode())]


@lru_cache(maxsize=8)
def _networks(listed: tuple[str, ...]) -> Networks:
    return parse(listed)


def proxies() -> Networks:
    """The networks whose X-Forwarded-For is believed."""
    return _networks(tuple(settings.TRUSTED_PROXIES))


def _is_trusted(address: str, trusted: Networks) -> bool:
    return bool(trusted) and admits(trusted, address)


def client_address(peer: str, forwarded: str, trusted: Networks) -> str:
    """Who really asks: X-Forwarded-For from the right, as far as trusted proxies wrote it."""
    address = peer
    for hop in reversed(forwarded.split(",")):
        if not _is_trusted(address, trusted):
            break
        try:
            address = str(ip_address(hop.strip()))
        except ValueError:
            break
    return address


def _is_our_host(scope: Scope) -> bool:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return _host_allowed(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=1_000)
def _host_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _write_line(scope: Scope, visit: Visit) -> None:
    # Asked first, because structlog would build the line before it finds that nobody wants it.
    if scope["path"] in PROBES or not _access.isEnabledFor(logging.INFO):
        return
    log.info(
        "request",
        method=scope["method"][:16],
        path=scope["path"][:LONGEST_LOGGED],
        query=masked_query(scope["query_string"].decode("latin-1")),
        status=visit.status,
        ms=round((time.perf_counter() - visit.started) * 1000, 1),
        address=visit.address,
        client=visit.who,
        request_id=visit.request_id,
    )


def masked_query(query: str) -> str:
    """The query for logs: no secret, no text, of numbers the last four digits (S5)."""
    if not query:
        return ""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return MASK
    return "&".join(f"{name[:32]}={_masked(name.lower(), value)}" for name, value in pairs)


def _masked(name: str, value: str) -> str:
    if name in _SECRET:
        return MASK
    if name in _TEXTS:
        return f"<{len(value)} characters>"
    if name in _NUMBERS:
        return mask(value[:LONGEST_LOGGED])
    return value[:LONGEST_LOGGED]
