"""The send document's endpoints: field names, bodies and codes exactly as printed (S0-122 … S0-136).

Lenient where old clients are: numbers for texts, unknown parameters, names in the URL instead of a body.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.problems import DOCUMENTED
from api.send_contract.values import Draft
from common.errors import Code, Rejected, Unavailable
from common.gsm import Encoding
from messaging.commands import Accepted, Outcome

CODINGS: Mapping[str, Encoding] = {"0": Encoding.GSM7, "8": Encoding.UCS2}
_FLAGS: Mapping[Any, bool] = {"1": True, "0": False, "true": True, "false": False}


def drafts(asked: Any) -> list[Draft | Rejected]:
    """The one message of a JSON object or of query parameters; raises Rejected."""
    if not isinstance(asked, Mapping):
        raise Rejected(Code.INVALID_JSON, "A JSON object is expected")
    to, content = _text(asked, "to"), _text(asked, "content")
    if not to.strip() or not content:
        raise Rejected(Code.MISSING_FIELD, DOCUMENTED[Code.MISSING_FIELD])
    values = {
        "to": to,
        "content": content,
        "sender": _text(asked, "from") or None,
        "coding": coding(asked.get("coding")),
        "dlr": _flag(asked, "dr"),
    }
    return [Draft(values)]


def render(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """200: the message is committed, or waits for its slot under `queued_…` (S0-129, S0-130)."""
    outcome = outcomes[0]
    assert isinstance(outcome, Accepted)
    if outcome.queued:
        return {"ok": True, "queued": True, "message_id": outcome.public_id}
    return {"ok": True, "message_id": outcome.public_id}


def refusal(problem: Rejected | Unavailable, request_id: str) -> dict[str, Any]:
    """`ok` and `error`, nothing else; the request's id stands in a header."""
    text = problem.message if isinstance(problem, Rejected) else str(problem)
    return {"ok": False, "error": DOCUMENTED.get(problem.code, text)}


def coding(given: Any) -> Encoding | None:
    """`"0"` is GSM 7-bit, `"8"` UCS-2, number or text; None and blank: detect (S0-128)."""
    if given is None or given == "":
        return None
    known = CODINGS.get(str(given)) if isinstance(given, str | int) and not isinstance(given, bool) else None
    if known is None:
        raise Rejected(Code.INVALID_ENCODING, 'coding must be "0" (GSM 7-bit) or "8" (UCS-2)', {"coding": "0 or 8"})
    return known


def _text(asked: Mapping[str, Any], name: str) -> str:
    """A text; a telephone number may be a JSON number."""
    value = asked.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name != "content":
        return _digits(value, name)
    if not isinstance(value, str):
        raise Rejected(Code.INVALID_VALUE, f"{name} must be a text", {name: "a text"})
    return value


def _digits(value: int, name: str) -> str:
    if not 0 <= value < 10**20:  # beyond E.164, and Python refuses to write very long numbers
        raise Rejected(Code.INVALID_VALUE, f"{name} must be a text", {name: "a text"})
    return str(value)


def _flag(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get(name)
    if value is None or value == "":
        return True
    known: Callable[[Any], bool | None] = lambda word: _FLAGS.get(str(word).lower())  # noqa: E731
    flag = known(value) if isinstance(value, str | int) else None
    if flag is None:
        raise Rejected(Code.INVALID_VALUE, f"{name} must be 1 or 0", {name: "1 or 0"})
    return flag
