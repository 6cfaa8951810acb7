"""POST /api/v1/messages: one message, or up to 10,000 that are answered in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.problems import body_of
from api.send_contract import fields
from api.send_contract.values import Draft
from common.errors import Code, Rejected, Unavailable
from common.money import quantize
from messaging.commands import Accepted, Outcome

MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the body asks for: drafts in order, or why one is none."""

    drafts: Sequence[Draft | Rejected]
    many: bool
    dry_run: bool = False


def read(asked: Any) -> Asked:
    """One message object, a list of them, or `{"messages": [...]}`; `dry_run` stands beside either.

    In a list a message that cannot be read is refused alone; a body that cannot be read raises Rejected.
    """
    if isinstance(asked, list):
        return Asked(_read_many(asked), many=True)
    if not isinstance(asked, Mapping):
        raise Rejected(Code.INVALID_JSON, "A JSON object or a list of them is expected")
    rest = {name: value for name, value in asked.items() if name != "dry_run"}
    dry_run = fields.flag("dry_run", asked.get("dry_run") or False)
    if "messages" not in rest:
        return Asked([fields.read_message(rest)], many=False, dry_run=dry_run)
    messages = rest.pop("messages")
    for name in rest:
        raise fields.unknown(name)
    if not isinstance(messages, list):
        raise fields.wrong("messages", "a list")
    return Asked(_read_many(messages), many=True, dry_run=dry_run)


def _read_many(messages: Sequence[Any]) -> list[Draft | Rejected]:
    if not messages:
        raise Rejected(Code.MISSING_FIELD, "At least one message is required", {"messages": "required"})
    if len(messages) > MOST:
        raise Rejected(Code.TOO_LARGE, f"At most {MOST:,} messages", {"messages": f"at most {MOST}"})
    return [_read_one(message) for message in messages]


def _read_one(message: Any) -> Draft | Rejected:
    try:
        return fields.read_message(message)
    except Rejected as problem:
        return problem


def render_one(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The answer to one accepted message."""
    outcome = outcomes[0]
    assert isinstance(outcome, Accepted)
    return {"ok": True, **_told(outcome)}


def render_many(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The request was worked on; every message has its own `ok`, in order."""
    accepted = sum(isinstance(outcome, Accepted) for outcome in outcomes)
    return {
        "ok": True,
        "accepted": accepted,
        "refused": len(outcomes) - accepted,
        "results": [_result(index, outcome) for index, outcome in enumerate(outcomes)],
    }


def refusal(problem: Rejected | Unavailable, request_id: str) -> dict[str, Any]:
    """The one error shape."""
    return body_of(problem, request_id=request_id)


def _result(index: int, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Accepted):
        return {"index": index, "ok": True, **_told(outcome)}
    told = {"index": index, "ok": False, "error": outcome.message, "code": str(outcome.code)}
    return {**told, "fields": outcome.fields} if outcome.fields else told


def _told(outcome: Accepted) -> dict[str, Any]:
    told = {
        "message_id": outcome.public_id or None,
        "parts": outcome.parts,
        "price": str(quantize(outcome.price)),
        "status": outcome.status,
    }
    return {**told, "queued": True} if outcome.queued else told
