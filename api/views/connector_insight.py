"""/api/v1/connectors/{name}/log and …/dlr-doctor: what went over its links, why its receipts meet no message."""

import threading
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import operators, shapes
from api.views.base import StaffView, one_of_few
from api.views.connectors import TAGS
from api.views.smpp_clients import LOG_FILTERS, log_page
from common.errors import Code, Rejected
from connectors.snapshot import view_of
from messaging import line_control
from messaging.receipts import doctor
from messaging.receipts.doctor import AlreadyDecided
from messaging.wirelog import connector_log

# An examination reads thousands of rows: two at once in a process, and the others serve on.
_examinations = threading.BoundedSemaphore(2)
_BUSY = "Other examinations are running"
_DECISIONS = {"accept": doctor.accept, "reject": doctor.reject}


class ConnectorLogView(StaffView):
    """The last 1,000 PDUs of a connector, decoded; texts are masked (S22)."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=TAGS,
        operation_id="connector_log",
        summary="What went over its binds, newest first",
        description="The last 1,000 PDUs of all binds on all hosts, at most seven days old, some three seconds behind. "
        "Texts are masked; `manage.py smpp_log --texts` shows them.",
        parameters=LOG_FILTERS,
        responses={200: shapes.SmppLog, **shapes.BAD_FILTER, **operators.NO_CONNECTOR, **operators.REFUSALS},
        examples=operators.CONNECTOR_LOG,
    )
    def get(self, request: Request, name: str) -> Response:
        return log_page(connector_log(line_control.find(name)), request.query_params.dict(), texts=False)


class DlrDoctorView(StaffView):
    """Why receipts of the connector's carrier account meet no message; a person decides on the rule."""

    scopes = {"GET": "read", "POST": "operate"}

    @extend_schema(
        tags=TAGS,
        operation_id="examine_receipts",
        summary="Why receipts meet no message",
        description="Looks at the newest receipts of the carrier account; `proposal` waits for a decision.",
        responses={200: operators.DoctorShape, **operators.NO_CONNECTOR, **operators.REFUSALS},
        examples=operators.DOCTOR,
    )
    def get(self, request: Request, name: str) -> Response:
        account = _account(name)
        with one_of_few(_examinations, _BUSY):
            facts: dict[str, Any] = doctor.told(doctor.examine(account), doctor.open_proposal(account))
        return Response({"ok": True, **facts})

    @extend_schema(
        tags=TAGS,
        operation_id="decide_on_id_rule",
        summary="Accept or reject the proposed id rule",
        description="Accepting gives all connectors of the carrier account the rule; a job then settles the receipts "
        "that waited or were given up.",
        request=operators.DecisionShape,
        responses={
            200: operators.DecidedShape, **operators.BAD_DECISION, **operators.NO_CONNECTOR,
            **operators.NOTHING_PROPOSED, **operators.REFUSALS,
        },
        examples=operators.DECISION,
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        account = _account(name)
        body = request.data if isinstance(request.data, dict) else {}
        decision, seen = body.get("decision"), body.get("proposal")
        if not isinstance(decision, str) or decision not in _DECISIONS:
            raise Rejected(Code.INVALID_VALUE, "Invalid decision", {"decision": "accept or reject"})
        with one_of_few(_examinations, _BUSY):
            proposal = doctor.propose(account, at_once=True)
        if proposal is None:
            raise Rejected(Code.CONFLICT, "Nothing is proposed")
        if seen is not None and seen != proposal.pk:
            raise Rejected(Code.CONFLICT, f"Another rule is proposed by now: {proposal.rule}, proposal {proposal.pk}")
        try:
            decided = _DECISIONS[decision](proposal, actor=self.staff(request).actor)
        except AlreadyDecided as error:
            raise Rejected(Code.CONFLICT, str(error)) from error
        return Response({"ok": True, "carrier_account": account, "rule": decided.rule, "state": decided.state.lower()})


def _account(name: str) -> str:
    return view_of(line_control.find(name).pk).carrier_account
