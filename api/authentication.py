"""Credentials of machines, for the Django REST views: the same as on the fast lane."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.credentials import Caller
from api import credentials
from api.problems import CHALLENGE


class CredentialAuthentication(BaseAuthentication):
    """X-API-Key, Basic, or user and password in the URL where the client allows them; raises Rejected."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        """The caller, as user and as auth; a panel login is never one (S0-114)."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        presented = credentials.presented(headers, request.query_params.dict())
        caller = credentials.verify_sync(presented, address=request.META.get("REMOTE_ADDR", ""))
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        """How to prove who one is."""
        return CHALLENGE


class CredentialScheme(OpenApiAuthenticationExtension):
    """The three ways in, for the schema."""

    target_class = "api.authentication.CredentialAuthentication"
    name = ["ApiKey", "Basic"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """OpenAPI's description of them."""
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "basic"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Either will do."""
        return [{"ApiKey": []}, {"Basic": []}]
