"""The send contract (requirements S0-122 … S0-136): one meaning, driven by the fast lane and by Django."""

from api.send_contract.contract import BATCH_LIMIT, ENDPOINTS, SINGLE_LIMIT, answer, refuse
from api.send_contract.values import ReadBody, Request, Response, Step, Steps, Submit, Verify, Work

__all__ = [
    "BATCH_LIMIT",
    "ENDPOINTS",
    "SINGLE_LIMIT",
    "ReadBody",
    "Request",
    "Response",
    "Step",
    "Steps",
    "Submit",
    "Verify",
    "Work",
    "answer",
    "refuse",
]
