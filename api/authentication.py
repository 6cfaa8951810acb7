"""Credentials of machines, for the Django REST views: customers as on the fast lane, and staff."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.credentials import Caller
from accounts.gate import refused
from accounts.staff_keys import StaffCaller, by_staff_key
from api import credentials
from api.problems import CHALLENGE, STAFF_CHALLENGE


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


class StaffKeyAuthentication(BaseAuthentication):
    """X-Staff-Key and nothing else: no customer's credential and no panel login is looked at; raises Rejected."""

    def authenticate(self, request: Request) -> tuple[StaffCaller, StaffCaller]:
        """The member of staff, as user and as auth."""
        key = request.headers.get("X-Staff-Key", "").strip()
        if not key:
            raise refused()
        caller = by_staff_key(key, address=request.META.get("REMOTE_ADDR", ""))
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        """How to prove who one is."""
        return STAFF_CHALLENGE


class StaffKeyScheme(OpenApiAuthenticationExtension):
    """The operators' way in, for the schema."""

    target_class = "api.authentication.StaffKeyAuthentication"
    name = "StaffKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """OpenAPI's description of it."""
        return {"type": "apiKey", "in": "header", "name": "X-Staff-Key"}
