"""Bodies and examples of the operators' endpoints."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers as s

from api.schema.examples import answer
from api.schema.shapes import Problem

REFUSALS: dict[int, OpenApiResponse] = {
    401: OpenApiResponse(Problem, "No staff key, or a wrong one"),
    403: OpenApiResponse(Problem, "Address not allowed, scope missing"),
    429: OpenApiResponse(Problem, "Too many wrong attempts"),
    503: OpenApiResponse(Problem, "Come again"),
}


class StaffKeyShape(s.Serializer[Any]):
    ok = s.BooleanField()
    user = s.CharField()
    prefix = s.CharField()
    scopes = s.ListField(child=s.CharField(), help_text="Of: read, operate")
    expires_at = s.DateTimeField(allow_null=True)


STAFF_KEY = [
    answer(
        "A key",
        {
            "ok": True,
            "user": "ann",
            "prefix": "staff_Xy12Ab",
            "scopes": ["operate", "read"],
            "expires_at": "2027-06-30T00:00:00Z",
        },
    )
]
