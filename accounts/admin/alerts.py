"""Alerts, to look at and to close by hand."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.log import actor_of
from accounts.audit import record
from common.alerts import resolve_alert
from common.models import Alert
from common.staff import ReadOnlyAdmin
from common.unfold import display

LEVEL = {"fail": "danger", "warn": "warning", "resolved": "info"}


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What operators must know of: open ones first."""

    list_display = ("subject", "status", "words", "advice", "count", "first_seen_at", "last_seen_at", "resolved_at")
    list_filter = ("level",)
    search_fields = ("key__startswith", "subject__istartswith")
    ordering = ("-last_seen_at",)
    actions = ("resolve",)

    @display(description="status", label=LEVEL)
    def status(self, alert: Alert) -> str:
        return "resolved" if alert.resolved_at else alert.level

    @admin.action(description="Resolve: it opens again when it is seen again")
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        for alert in queryset.filter(resolved_at=None):
            resolve_alert(alert.key)
            record(action="resolve", entity="alert", entity_id=alert.pk, actor=actor_of(request))
