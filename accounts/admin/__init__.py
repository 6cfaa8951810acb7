"""Staff pages of customers, people, credentials and the audit log."""

from django.contrib import admin
from django.contrib.auth.models import Group as PermissionRows
from django.urls import path

from accounts.admin import alerts, binds, customers, log, machines, people, staff_keys

# Roles decide here; Django's own groups would promise rights that nothing asks for.
admin.site.unregister(PermissionRows)


def _own_password() -> list[object]:
    """Our page for one's own password stands before Django's, under the same address."""
    view = admin.site.admin_view(people.OwnPasswordView.as_view(), cacheable=True)
    return [path("password_change/", view, name="password_change")]


# The theme's site asks for `extra_urls` (django-unfold, UnfoldAdminSite.get_urls).
admin.site.extra_urls = _own_password  # type: ignore[attr-defined]

__all__ = ["alerts", "binds", "customers", "log", "machines", "people", "staff_keys"]
