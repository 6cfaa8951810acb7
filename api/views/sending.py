"""The send document's endpoints under Django: the same contract as the fast lane, and the source of the schema."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from api.schema import examples, shapes
from api.views.base import ApiView, send

_PARAMETERS = [
    OpenApiParameter("to", str, required=True, description="International format, for example 971501234567"),
    OpenApiParameter("content", str, required=True, description="Long texts are split"),
    OpenApiParameter("from", str, description="At most 11 characters, or digits; the default sender if blank"),
    OpenApiParameter("coding", str, enum=["0", "8"], description="0: GSM 7-bit, 8: UCS-2; found out if omitted"),
    OpenApiParameter("dr", str, enum=["0", "1"], description="Whether a delivery report is wanted; 1 if omitted"),
    OpenApiParameter("user", str, description="Where the API account allows credentials in the URL"),
    OpenApiParameter("password", str, description="Where the API account allows credentials in the URL"),
]
_POST = extend_schema(
    tags=["Send"],
    operation_id="http_send",
    summary="Send one message",
    description="Fields may also stand in the URL when there is no body. Unknown fields are ignored.",
    parameters=[shapes.IDEMPOTENCY_KEY],
    request=shapes.CompatSend,
    responses=shapes.COMPAT_RESPONSES,
    examples=examples.COMPAT,
)


class SendView(ApiView):
    """POST and GET /api/v1/http-send (S0-122, S0-123). The contract itself asks for credentials and scope."""

    authentication_classes = ()
    permission_classes = ()
    contract_path = "/api/v1/http-send"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Nothing: what DRF would check here, and in which order, is the contract's."""

    @_POST
    def post(self, request: Request) -> HttpResponse:
        return send(request, self.contract_path)

    @extend_schema(
        tags=["Send"],
        operation_id="http_send_by_url",
        summary="Send one message by URL",
        parameters=[*_PARAMETERS, shapes.IDEMPOTENCY_KEY],
        responses=shapes.COMPAT_RESPONSES,
        examples=examples.COMPAT_ANSWERS,
    )
    def get(self, request: Request) -> HttpResponse:
        return send(request, self.contract_path)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """405 in the words of the endpoint."""
        return send(request, self.contract_path)

    head = http_method_not_allowed


class PanelSendView(SendView):
    """POST and GET /panel/api/v1/send (S0-124): the same under the panel's address."""

    contract_path = "/panel/api/v1/send"

    @extend_schema(operation_id="panel_send")
    @_POST
    def post(self, request: Request) -> HttpResponse:
        return send(request, self.contract_path)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return send(request, self.contract_path)
