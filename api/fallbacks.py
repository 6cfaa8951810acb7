"""Answers where no view has one: JSON for machines, Django's page for people."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from api import gate
from api.problems import STATUS, shape
from common.errors import Code

MACHINES = ("/api/", "/panel/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if not request.path.startswith(MACHINES):
        return defaults.page_not_found(request, exception)
    return _json(request, Code.NOT_FOUND, "Not found")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    if not request.path.startswith(MACHINES):
        return defaults.bad_request(request, exception)
    return _json(request, Code.INVALID_VALUE, "Bad request")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    if not request.path.startswith(MACHINES):
        return defaults.server_error(request)
    return _json(request, Code.INTERNAL, "Internal error")


def _json(request: HttpRequest, code: Code, text: str) -> HttpResponse:
    request_id = gate.request_id_of(request.META.get("HTTP_X_REQUEST_ID", ""))
    body: dict[str, Any] = shape(code, text, request_id=request_id)
    return JsonResponse(body, status=STATUS[code], headers={**gate.JSON_HEADERS, "X-Request-Id": request_id})
