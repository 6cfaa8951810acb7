"""The same guard for `requests`: provider calls from tasks, one after another."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from common.http.deadline import limit_answers
from common.http.guard import Network, ParsedTarget, check_url
from common.http.headers import outgoing_headers
from common.http.outcome import BODY_CAP, ErrorKind, OutboundError, Response
from common.http.resolver import Lookup, resolve_checked, system_lookup

_CHUNK = 16 * 1024


class PinnedAdapter(HTTPAdapter):
    """Connects to an address that was checked in the same breath; Host, SNI and certificate stay with the name."""

    def __init__(self, allow_networks: Sequence[Network] = (), *, lookup: Lookup = system_lookup) -> None:
        self._allow_networks = allow_networks
        self._lookup = lookup
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As in requests, with connections that end an answer in time."""
        super().init_poolmanager(*args, **options)
        limit_answers(self.poolmanager)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Sends without any proxy; raises OutboundError(blocked or dns) and what requests raises."""
        target = check_url(request.url or "", self._allow_networks)
        request.url = target.url
        request.headers["Host"] = target.url.split("/", 3)[2]
        options["proxies"] = None
        return super().send(request, *args, **options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """The pool of the pinned address, kept apart by the name that its certificate must carry."""
        where, options = super().build_connection_pool_key_attributes(request, verify, cert)
        target = check_url(request.url or "", self._allow_networks)
        pinned = {**where, "host": self._address(target)}
        if target.scheme == "https" and target.address is None:
            return pinned, {**options, "server_hostname": target.host}
        return pinned, options

    def _address(self, target: ParsedTarget) -> str:
        if target.address is not None:
            return str(target.address)
        return resolve_checked(target.host, target.port, self._allow_networks, self._lookup)[0]


class GuardedRequests(requests.Session):
    """A requests session that follows no redirect, asks no proxy and reaches no private network."""

    def __init__(self, allow_networks: Sequence[Network] = (), *, lookup: Lookup = system_lookup) -> None:
        super().__init__()
        self.trust_env = False
        for prefix in ("http://", "https://"):
            self.mount(prefix, PinnedAdapter(allow_networks, lookup=lookup))

    def get_redirect_target(self, resp: Any) -> None:
        """None: a redirect is an answer like any other."""

    def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_total: float = 10.0,
        verify: bool | str = True,
    ) -> Response:
        """The answer with at most BODY_CAP octets; raises OutboundError.

        `timeout_total` seconds bound connecting, the head of the answer, and everything together up to one more
        pause of that length (the system's name look-up has its own limit). `verify` may be a CA file.
        """
        started = time.monotonic()
        try:
            with self.request(
                method,
                url,
                data=body,
                headers=outgoing_headers(headers or {}),
                timeout=timeout_total,
                stream=True,
                allow_redirects=False,
                verify=verify,
            ) as answer:
                return _read(answer, started, timeout_total)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _named(error, time.monotonic() - started >= timeout_total) from error


def _read(answer: requests.Response, started: float, timeout_total: float) -> Response:
    body = bytearray()
    while len(body) < BODY_CAP:
        chunk = answer.raw.read1(min(_CHUNK, BODY_CAP - len(body)), decode_content=False)
        if not chunk:
            break
        body += chunk
        if time.monotonic() - started > timeout_total:
            raise OutboundError(ErrorKind.TIMEOUT, "the answer did not end in time")
    named = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, bytes(body), time.monotonic() - started, named)


_KINDS: tuple[tuple[type[Exception], ErrorKind], ...] = (
    (requests.exceptions.SSLError, ErrorKind.TLS),
    (requests.exceptions.Timeout, ErrorKind.TIMEOUT),
)


def _named(error: Exception, late: bool) -> OutboundError:
    if late:
        return OutboundError(ErrorKind.TIMEOUT, type(error).__name__)
    for cls, kind in _KINDS:
        if isinstance(error, cls):
            return OutboundError(kind, cls.__name__)
    refused = "NewConnectionError" in repr(error)
    return OutboundError(ErrorKind.CONNECT if refused else ErrorKind.PROTOCOL, type(error).__name__)
