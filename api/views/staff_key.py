"""/api/v1/staff-key: what the key that asks may do."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import operators
from api.views.base import StaffView


class StaffKeyView(StaffView):
    """Whose key it is, and until when."""

    scopes = {"GET": "read"}

    @extend_schema(
        tags=["Operators"],
        operation_id="get_staff_key",
        summary="Look at the key that asks",
        responses={200: operators.StaffKeyShape, **operators.REFUSALS},
        examples=operators.STAFF_KEY,
    )
    def get(self, request: Request) -> Response:
        caller = self.staff(request)
        return Response(
            {
                "ok": True,
                "user": caller.username,
                "prefix": caller.prefix,
                "scopes": sorted(caller.scopes),
                "expires_at": caller.expires_at,
            }
        )
