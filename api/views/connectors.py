"""/api/v1/connectors: carrier lines, for operators."""

import threading
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import operators
from api.views.base import StaffView, one_of_few
from messaging import line_control
from messaging.diagnosis import diagnose, overview, overviews

TAGS = ["Operators"]
# A carrier that answers nothing holds a thread for some seconds: two at once, and the others serve on.
_looks = threading.BoundedSemaphore(2)


class ConnectorsView(StaffView):
    """All lines."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=TAGS,
        operation_id="list_connectors",
        summary="List connectors",
        responses={200: operators.ConnectorList, **operators.REFUSALS},
        examples=operators.CONNECTORS,
    )
    def get(self, request: Request) -> Response:
        return Response({"ok": True, "connectors": overviews()})


class ConnectorView(StaffView):
    """One line."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=TAGS,
        operation_id="get_connector",
        summary="Look at one connector",
        responses={200: operators.OneConnector, **operators.NO_CONNECTOR, **operators.REFUSALS},
        examples=operators.CONNECTOR,
    )
    def get(self, request: Request, name: str) -> Response:
        return Response({"ok": True, **_facts(name)})


def _described(deed: str, summary: str, description: str) -> Any:
    return extend_schema(
        tags=TAGS,
        operation_id=f"{deed}_connector",
        summary=summary,
        description=f"{description} Answered at once: `binds` shows how far it is.",
        request=None,
        responses={200: operators.OneConnector, **operators.NO_CONNECTOR, **operators.CONFLICT, **operators.REFUSALS},
        examples=operators.CONNECTOR,
    )


class _DeedView(StaffView):
    """A deed of line_control."""

    scopes = {"POST": "operate"}
    deed = ""

    def do(self, request: Request, name: str) -> Response:
        """Do it under the caller's name."""
        line_control.operate(name, self.deed, actor=self.staff(request).actor)
        return Response({"ok": True, **_facts(name)})


class StartView(_DeedView):
    """Open its binds."""

    deed = "start"

    @_described(deed, "Start a connector", "Binds open, and what waits goes out.")
    def post(self, request: Request, name: str) -> Response:
        return self.do(request, name)


class StopView(_DeedView):
    """Close its binds."""

    deed = "stop"

    @_described(deed, "Stop a connector", "Windows are answered, binds close; messages go on to wait for it.")
    def post(self, request: Request, name: str) -> Response:
        return self.do(request, name)


class RestartView(_DeedView):
    """Close its binds and open them anew."""

    deed = "restart"

    @_described(deed, "Restart a connector", "All binds on all hosts close and open anew; no process is restarted.")
    def post(self, request: Request, name: str) -> Response:
        return self.do(request, name)


class DrainView(_DeedView):
    """Empty the line, then close its binds."""

    deed = "drain"

    @_described(deed, "Drain a connector", "No new messages; those that are queued go out, then binds close.")
    def post(self, request: Request, name: str) -> Response:
        return self.do(request, name)


class DiagnosticsView(StaffView):
    """Why it is down."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=TAGS,
        operation_id="diagnose_connector",
        summary="Say why a connector is down",
        description="Looks its name up, connects and shakes hands (TLS), at most about fifteen seconds; never binds.",
        responses={200: operators.Diagnosis, **operators.NO_CONNECTOR, **operators.REFUSALS},
        examples=operators.DIAGNOSIS,
    )
    def get(self, request: Request, name: str) -> Response:
        row = line_control.find(name)
        with one_of_few(_looks, "Other diagnoses are running"):
            return Response({"ok": True, **diagnose(row)})


def _facts(name: str) -> dict[str, Any]:
    line_control.find(name)
    found = overview(name)
    assert found is not None
    return found
