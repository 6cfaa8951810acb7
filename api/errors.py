"""Errors of the Django REST views in the one error shape."""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import Error as DatabaseError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from api import gate
from api.problems import STATUS, body_of, headers_of, status_of
from common.errors import Code, Rejected, Unavailable

__all__ = ["STATUS", "exception_handler"]

log = logging.getLogger(__name__)
_CODES: Mapping[type[Exception], Code] = {
    exceptions.NotAuthenticated: Code.INVALID_CREDENTIALS,
    exceptions.AuthenticationFailed: Code.INVALID_CREDENTIALS,
    exceptions.PermissionDenied: Code.FORBIDDEN,
    PermissionDenied: Code.FORBIDDEN,
    exceptions.NotFound: Code.NOT_FOUND,
    Http404: Code.NOT_FOUND,
    exceptions.MethodNotAllowed: Code.METHOD_NOT_ALLOWED,
    exceptions.ParseError: Code.INVALID_JSON,
    exceptions.UnsupportedMediaType: Code.UNSUPPORTED_MEDIA,
    exceptions.NotAcceptable: Code.UNSUPPORTED_MEDIA,
    exceptions.Throttled: Code.RATE_LIMITED,
    exceptions.ValidationError: Code.INVALID_VALUE,
}
_TEXTS: Mapping[Code, str] = {
    Code.INVALID_CREDENTIALS: "Invalid credentials",
    Code.FORBIDDEN: "Not allowed",
    Code.NOT_FOUND: "Not found",
    Code.INVALID_JSON: "Invalid JSON",
    Code.RATE_LIMITED: "Rate limit exceeded",
    Code.INVALID_VALUE: "Invalid value",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: an answer for every error we know; None leaves it to Django (500)."""
    problem = _problem(error)
    if problem is None:
        return None
    headers = headers_of(problem)
    if isinstance(error, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    if "WWW-Authenticate" in headers:
        headers["WWW-Authenticate"] = context["view"].get_authenticate_header(context["request"])
    request_id = gate.request_id_of(context["request"].META.get("HTTP_X_REQUEST_ID", ""))
    return Response(body_of(problem, request_id=request_id), status=status_of(problem), headers=headers)


def _problem(error: Exception) -> Rejected | Unavailable | None:
    if isinstance(error, Rejected | Unavailable):
        return error
    if isinstance(error, DatabaseError):
        log.error("the database refused", exc_info=error)
        return Unavailable()
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return Rejected(code, _TEXTS.get(code) or str(error), _fields(error))
    return None


def _fields(error: Exception) -> dict[str, str]:
    detail = getattr(error, "detail", None) if isinstance(error, exceptions.ValidationError) else None
    if not isinstance(detail, dict):
        return {}
    return {name: " ".join(map(str, texts)) for name, texts in detail.items()}
