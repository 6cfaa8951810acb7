"""Secrets in the answer to the POST that made them, and nowhere else (interface habit 7)."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

TEMPLATE = "admin/accounts/shown_once.html"


@dataclass(frozen=True, slots=True)
class Secret:
    """A plain secret and what it is."""

    label: str
    plain: str


def shown_once(
    site: AdminSite, request: HttpRequest, *, title: str, secrets: list[Secret], onward: str
) -> TemplateResponse:
    """The page that shows new secrets; no cache keeps it, and no message storage or session sees them."""
    context: dict[str, Any] = {**site.each_context(request), "title": title, "secrets": secrets, "onward": onward}
    response = TemplateResponse(request, TEMPLATE, context)
    response["Cache-Control"] = "no-store, private"
    return response
