"""/api/v1/alerts: what operators must know of."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import operators
from api.views.base import StaffView
from common.alerts import open_alerts
from common.errors import Code, Rejected
from common.models import Alert

PAGE = 200


class AlertsView(StaffView):
    """Open alerts, or all of them."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["Operators"],
        operation_id="list_alerts",
        summary="List alerts",
        description="The worst and newest of those that are open; with `state=all` the newest 200 of all.",
        parameters=[OpenApiParameter("state", str, enum=["open", "all"], description="open if left out")],
        responses={200: operators.AlertList, **operators.BAD_STATE, **operators.REFUSALS},
        examples=operators.ALERTS,
    )
    def get(self, request: Request) -> Response:
        state = request.query_params.get("state", "open")
        if state not in ("open", "all"):
            raise Rejected(Code.INVALID_VALUE, "Invalid state", {"state": "open or all"})
        rows = open_alerts() if state == "open" else Alert.objects.order_by("-last_seen_at")
        names = (
            "key", "level", "subject", "words", "advice", "count", "first_seen_at", "last_seen_at", "resolved_at",
        )  # fmt: skip
        return Response({"ok": True, "alerts": list(rows.values(*names)[:PAGE])})
