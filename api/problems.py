"""What is wrong, in the numbers and the one shape of HTTP (architecture section 9). No framework here."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from common.errors import Code, Rejected, Unavailable

STATUS: Final[Mapping[Code, int]] = {
    Code.MISSING_FIELD: 400,
    Code.UNKNOWN_FIELD: 400,
    Code.INVALID_VALUE: 400,
    Code.INVALID_JSON: 400,
    Code.INVALID_NUMBER: 400,
    Code.INVALID_SENDER: 400,
    Code.INVALID_ENCODING: 400,
    Code.TOO_MANY_PARTS: 400,
    Code.INVALID_URL: 400,
    Code.NO_ROUTE: 400,
    Code.INVALID_CREDENTIALS: 401,
    Code.NO_CREDIT: 402,
    Code.FORBIDDEN: 403,
    Code.SUSPENDED: 403,
    Code.SENDER_NOT_ALLOWED: 403,
    Code.BLOCKED: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.IDEMPOTENCY_CONFLICT: 409,
    Code.IDEMPOTENCY_IN_FLIGHT: 409,
    Code.NOT_CANCELLABLE: 409,
    Code.CONFLICT: 409,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA: 415,
    Code.RATE_LIMITED: 429,
    Code.TOO_MANY_ATTEMPTS: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
}
# The texts of the send document (S0-131 … S0-134); whatever lies behind the code, these words are said.
DOCUMENTED: Final[Mapping[Code, str]] = {
    Code.MISSING_FIELD: "to and content required",
    Code.INVALID_CREDENTIALS: "Invalid credentials",
    Code.NO_CREDIT: "Insufficient credits",
    Code.RATE_LIMITED: "Rate limit exceeded",
}
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
CHALLENGE: Final = 'Basic realm="gateway", charset="UTF-8"'
STAFF_CHALLENGE: Final = 'StaffKey realm="gateway"'


def status_of(problem: Rejected | Unavailable) -> int:
    """The HTTP status of a refusal."""
    return STATUS[problem.code]


def shape(code: Code, message: str, *, request_id: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The one error body of the resources; `fields` names what is wrong where."""
    return {
        "ok": False,
        "error": message,
        "code": str(code),
        "request_id": request_id,
        "fields": dict(fields or {}),
    }


def body_of(problem: Rejected | Unavailable, *, request_id: str) -> dict[str, Any]:
    """The error body of a refusal."""
    if isinstance(problem, Rejected):
        return shape(problem.code, problem.message, request_id=request_id, fields=problem.fields)
    return shape(problem.code, str(problem), request_id=request_id)


def headers_of(problem: Rejected | Unavailable) -> dict[str, str]:
    """What a refusal says in headers: when to come again, how to prove who one is."""
    found: dict[str, str] = {}
    if problem.retry_after is not None:
        found["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.code is Code.INVALID_CREDENTIALS:
        found["WWW-Authenticate"] = CHALLENGE
    return found


def json_bytes(body: Any) -> bytes:
    """Compact ASCII JSON: also a lone surrogate in an echoed name can be written."""
    return _ENCODER.encode(body).encode()
