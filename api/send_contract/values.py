"""What goes in and out of the contract, and what it asks its driver to do in between."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.credentials import Caller
from api.credentials import Presented
from messaging.commands import SubmitCommand, SubmitRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of an HTTP request; header names lower case, `query` as it stood in the URL (without `?`)."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str
    address: str  # of the client, behind trusted proxies
    request_id: str


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and JSON body of the answer; `caller` is for the access log."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """Find out who calls; the answer is a Caller, or Rejected is thrown in."""

    credential: Presented
    address: str


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the body, at most `limit` octets; beyond, throw Rejected(TOO_LARGE) in."""

    limit: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the request to the intake; the answer is messaging.commands.Answer."""

    request: SubmitRequest


@dataclass(frozen=True, slots=True)
class Work:
    """Call this where waiting for the database is allowed; the answer is what it returns."""

    call: Callable[[], Any]


Step = Verify | ReadBody | Submit | Work
Steps = Generator[Step, Any, Response]


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of one message as the caller gave them, checked for type only; keywords of SubmitCommand."""

    values: Mapping[str, Any]

    def command(self, caller: Caller) -> SubmitCommand:
        """The command that the intake understands."""
        return SubmitCommand(account=caller.account, api_client=caller.client, source="api", **self.values)
