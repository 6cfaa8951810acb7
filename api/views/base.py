"""What the resource views share."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.credentials import Caller
from accounts.staff_keys import StaffCaller
from api import gate
from api.authentication import StaffKeyAuthentication
from api.permissions import HasStaffScope
from api.send_contract import Request as ContractRequest
from api.send_contract.driving import converse
from common.errors import Code, Rejected, Unavailable


class ApiView(APIView):
    """A view for machines: scopes by method, answers that no cache keeps, a request id on each."""

    scopes: ClassVar[Mapping[str, str]] = {}
    http_method_names = ("get", "head", "post", "delete")

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: Allow stands where a method was refused."""
        return {}

    def caller(self, request: Request) -> Caller:
        """Who asks; every query starts from its account."""
        caller = request.auth
        assert isinstance(caller, Caller)
        return caller

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Settle the request's id, so that body, header and log agree also without the gate in front."""
        request.META["HTTP_X_REQUEST_ID"] = gate.request_id_of(request.META.get("HTTP_X_REQUEST_ID", ""))
        return super().initialize_request(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add what the gate adds."""
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        final.headers["X-Request-Id"] = request.META["HTTP_X_REQUEST_ID"]
        for name, value in gate.JSON_HEADERS.items():
            final.headers.setdefault(name, value)
        return final


@contextmanager
def one_of_few(seats: threading.Semaphore, words: str) -> Iterator[None]:
    """Hold a seat meanwhile; raises Unavailable with these words at once when all are taken."""
    if not seats.acquire(blocking=False):
        raise Unavailable(words, retry_after=5.0)
    try:
        yield
    finally:
        seats.release()


class StaffView(ApiView):
    """A view for operators: X-Staff-Key alone opens it."""

    authentication_classes = (StaffKeyAuthentication,)
    permission_classes = (HasStaffScope,)

    def staff(self, request: Request) -> StaffCaller:
        """Who asks; `staff(request).actor` goes into the audit log with every write."""
        caller = request.auth
        assert isinstance(caller, StaffCaller)
        return caller


def send(request: Request, path: str) -> HttpResponse:
    """Let the contract answer a Django request that came for `path`."""
    asked = ContractRequest(
        method=request.method or "",
        path=path,
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.META.get("QUERY_STRING", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        request_id=request.META["HTTP_X_REQUEST_ID"],
    )

    def read_body(limit: int) -> bytes:
        body: bytes = request.read(limit + 1)
        if len(body) > limit:
            raise Rejected(Code.TOO_LARGE, f"At most {limit:,} octets")
        return body

    answer = converse(asked, read_body)
    return HttpResponse(
        answer.body, status=answer.status, content_type="application/json", headers=dict(answer.headers)
    )
