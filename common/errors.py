"""What can go wrong, by name. Only the edges know HTTP or SMPP numbers (architecture section 9)."""

from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    """Every reason for which a request may be refused; `api.errors` and the SMPP server map each one."""

    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    INVALID_VALUE = "invalid_value"
    INVALID_JSON = "invalid_json"
    TOO_LARGE = "too_large"
    INVALID_NUMBER = "invalid_number"
    INVALID_SENDER = "invalid_sender"
    SENDER_NOT_ALLOWED = "sender_not_allowed"
    INVALID_ENCODING = "invalid_encoding"
    TOO_MANY_PARTS = "too_many_parts"
    INVALID_URL = "invalid_url"
    INVALID_CREDENTIALS = "invalid_credentials"
    FORBIDDEN = "forbidden"
    SUSPENDED = "suspended"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA = "unsupported_media"
    NO_ROUTE = "no_route"
    NO_CREDIT = "no_credit"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    IDEMPOTENCY_IN_FLIGHT = "idempotency_in_flight"
    NOT_CANCELLABLE = "not_cancellable"
    BLOCKED = "blocked"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(slots=True)
class Rejected(Exception):
    """The request is refused for good: nothing was written and nothing charged."""

    code: Code
    message: str
    fields: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Unavailable(Exception):
    """We cannot answer now (a store is down, a line is full); the caller may repeat the request."""

    code = Code.UNAVAILABLE

    def __init__(self, message: str = "Service temporarily unavailable", *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Busy(Unavailable):
    """Everything works, but the line of waiting requests is full."""


class SendKind(StrEnum):
    """How a try to send over a connector ended without success (spec/smpp.md 5.7)."""

    THROTTLED = "throttled"
    BUSY = "busy"
    TEMPORARY = "temporary"
    ROUTE = "route"
    PERMANENT = "permanent"
    SESSION = "session"
    UNCERTAIN = "uncertain"
