"""Driving the contract from a thread that may wait: what Django's view does."""

from collections.abc import Callable
from typing import Any

from api import credentials
from api.send_contract.contract import answer
from api.send_contract.values import ReadBody, Request, Response, Step, Submit, Verify
from common.errors import Rejected, Unavailable
from messaging.intake import submit_many


def converse(request: Request, read_body: Callable[[int], bytes]) -> Response:
    """The answer to a request; `read_body(limit)` raises Rejected(TOO_LARGE) beyond the limit.

    One request is one batch: for clients in a hurry there is the fast lane.
    """
    steps = answer(request)
    result: Any = None
    try:
        step = next(steps)
        while True:
            try:
                result = _do(step, read_body)
            except (Rejected, Unavailable) as problem:
                step = steps.throw(problem)
            else:
                step = steps.send(result)
    except StopIteration as ended:
        response: Response = ended.value
        return response


def _do(step: Step, read_body: Callable[[int], bytes]) -> Any:
    if isinstance(step, Submit):
        return submit_many([step.request])[0]
    if isinstance(step, Verify):
        return credentials.verify_sync(step.credential, address=step.address)
    if isinstance(step, ReadBody):
        return read_body(step.limit)
    return step.call()
