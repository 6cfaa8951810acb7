"""What a send request means: octets in, steps for the driver, octets out. Both lanes of HTTP drive this one.

Like a protocol library it does no I/O of its own: it yields what it needs (`Verify`, `ReadBody`, `Submit`,
`Work`) and is sent the result, or thrown the error. Credentials come before the body, so that a stranger
cannot make us hold 16 MiB.
"""

import hashlib
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from accounts.credentials import Caller
from api.credentials import presented
from api.problems import headers_of, json_bytes, status_of
from api.send_contract import compat, resource
from api.send_contract.reading import canonical, check_media_type, read_json, read_query, without_credentials
from api.send_contract.resource import Asked
from api.send_contract.trial import try_out
from api.send_contract.values import Draft, ReadBody, Request, Response, Step, Steps, Submit, Verify, Work
from common.errors import Code, Rejected, Unavailable
from messaging.commands import Idempotency, Outcome, Replay, SubmitRequest

log = logging.getLogger(__name__)

SINGLE_LIMIT: Final = 256 * 1024  # octets; the longest text of 255 parts is 41 kB, six times that in \u escapes
BATCH_LIMIT: Final = 16 * 1024 * 1024  # octets; 10,000 messages of 1.6 kB
LONGEST_KEY: Final = 255

Refusal = Callable[[Rejected | Unavailable, str], dict[str, Any]]
Render = Callable[[Sequence[Outcome]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL of the contract: which methods, how long a body, how it is read and refused."""

    methods: tuple[str, ...]
    limit: int
    read: Callable[[Any], Asked]
    refusal: Refusal
    render_one: Render


def _read_compat(asked: Any) -> Asked:
    return Asked(compat.drafts(asked), many=False)


COMPAT: Final = Endpoint(("GET", "POST"), SINGLE_LIMIT, _read_compat, compat.refusal, compat.render)
RESOURCE: Final = Endpoint(("POST",), BATCH_LIMIT, resource.read, resource.refusal, resource.render_one)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "/api/v1/http-send": COMPAT,
    "/panel/api/v1/send": COMPAT,
    "/api/v1/messages": RESOURCE,
}


def answer(request: Request) -> Steps:
    """The conversation that ends in the answer; it never raises."""
    endpoint = ENDPOINTS[request.path]
    try:
        return (yield from _answer(endpoint, request))
    except (Rejected, Unavailable) as problem:
        return refuse(request, problem)
    except Exception:
        log.exception("a send request failed", extra={"request_id": request.request_id})
        return refuse(request, Rejected(Code.INTERNAL, "Internal error"))


def refuse(request: Request, problem: Rejected | Unavailable, *, caller: Caller | None = None) -> Response:
    """A refusal in the words of the endpoint."""
    endpoint = ENDPOINTS[request.path]
    headers = headers_of(problem)
    if problem.code is Code.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(endpoint.methods)
    if caller is not None:
        headers.update(_rate_headers(caller, exhausted=problem.code is Code.RATE_LIMITED))
    return Response(status_of(problem), json_bytes(endpoint.refusal(problem, request.request_id)), headers, caller)


def _answer(endpoint: Endpoint, request: Request) -> Steps:
    if request.method not in endpoint.methods:
        raise Rejected(Code.METHOD_NOT_ALLOWED, f"Method {request.method[:16]} not allowed")
    _check_length(request, endpoint.limit)
    query = read_query(request.query)
    caller: Caller = yield Verify(presented(request.headers, query), request.address)
    try:
        caller.require("send")
        key = _key(request)
        values = yield from _values(endpoint, request, query)
        return (yield from _send(endpoint, request, caller, values, key))
    except (Rejected, Unavailable) as problem:
        return refuse(request, problem, caller=caller)


def _check_length(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Rejected(Code.INVALID_VALUE, "Invalid Content-Length")
    if len(length) > 12 or int(length) > limit:
        raise Rejected(Code.TOO_LARGE, f"At most {limit:,} octets")


def _values(endpoint: Endpoint, request: Request, query: Mapping[str, str]) -> Generator[Step, Any, Any]:
    """Ends in the JSON value, or in the URL's parameters where there is no body."""
    if request.method == "GET":
        return without_credentials(query)
    body: bytes = yield ReadBody(endpoint.limit)
    wanted = without_credentials(query)
    if endpoint is COMPAT and not body and wanted:
        return wanted
    check_media_type(request.headers)
    return read_json(body)


def _send(endpoint: Endpoint, request: Request, caller: Caller, values: Any, key: str | None) -> Steps:
    asked = endpoint.read(values)
    render = resource.render_many if asked.many else endpoint.render_one
    good = [draft.command(caller) for draft in asked.drafts if isinstance(draft, Draft)]

    def body_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return render(_in_order(asked.drafts, outcomes))

    if asked.dry_run:
        outcomes = (yield Work(lambda: try_out(good))) if good else []
        return _accepted(caller, asked, outcomes, {**_or_raise(asked, outcomes, body_of), "dry_run": True})
    if not good:
        return _accepted(caller, asked, [], body_of([]))
    idempotency = _idempotency(request, caller, values, key, body_of)
    result = yield Submit(SubmitRequest(good, idempotency))
    if isinstance(result, Rejected | Unavailable):
        raise result
    if isinstance(result, Replay):
        return Response(200, result.response.encode(), {"Idempotent-Replayed": "true", **_rate_headers(caller)}, caller)
    return _accepted(caller, asked, result, _or_raise(asked, result, body_of))


def _or_raise(
    asked: Asked, outcomes: Sequence[Outcome], body_of: Callable[[Sequence[Outcome]], dict[str, Any]]
) -> dict[str, Any]:
    """The body; a single message that is refused refuses the request."""
    if not asked.many and isinstance(outcomes[0], Rejected):
        raise outcomes[0]
    return body_of(outcomes)


def _accepted(caller: Caller, asked: Asked, outcomes: Sequence[Outcome], body: dict[str, Any]) -> Response:
    waits = [problem.retry_after for problem in outcomes if isinstance(problem, Rejected) and problem.retry_after]
    headers = _rate_headers(caller, exhausted=bool(waits))
    return Response(200, json_bytes(body), headers, caller)


def _in_order(drafts: Sequence[Draft | Rejected], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of what was submitted, between the refusals of what could not be read."""
    following = iter(outcomes)
    return [next(following) if isinstance(draft, Draft) else draft for draft in drafts]


def _rate_headers(caller: Caller, *, exhausted: bool = False) -> dict[str, str]:
    """The rate in messages a second, where the client has one."""
    if not caller.client.rate_limit:
        return {}
    headers = {"X-RateLimit-Limit": str(caller.client.rate_limit), "X-RateLimit-Window": "1"}
    return {**headers, "X-RateLimit-Remaining": "0"} if exhausted else headers


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Rejected(
            Code.INVALID_VALUE,
            f"Idempotency-Key must be 1 to {LONGEST_KEY} printable ASCII characters",
            {"Idempotency-Key": "1 to 255 printable ASCII characters"},
        )
    return key


def _idempotency(
    request: Request,
    caller: Caller,
    values: Any,
    key: str | None,
    body_of: Callable[[Sequence[Outcome]], dict[str, Any]],
) -> Idempotency | None:
    if key is None:
        return None
    head = f"{request.method}\n{request.path}\n{caller.account.id}\n{canonical(values)}"
    return Idempotency(
        account_id=caller.account.id,
        key=key,
        request_hash=hashlib.sha256(head.encode()).hexdigest(),
        render=lambda outcomes: json_bytes(body_of(outcomes)).decode(),
    )
