"""Alerts, to look at and to close by hand."""

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest

from accounts.admin.log import actor_of
from accounts.audit import record
from common.alerts import resolve_alert
from common.models import Alert
from common.staff import OpenOrEnded, ReadOnlyAdmin
from common.unfold import display

LEVEL = {"fail": "danger", "warn": "warning", "resolved": "info"}


class Open(OpenOrEnded):
    """Open alerts, or resolved ones."""

    column = "resolved_at"
    words = {"open": "Open", "ended": "Resolved"}


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What operators must know of: open ones first."""

    list_display = ("subject", "status", "words", "advice", "count", "first_seen_at", "last_seen_at", "resolved_at")
    nothing_yet = "No alerts. They open when a line refuses our credentials or has no bind for a minute."
    list_filter = (Open, "level")
    search_fields = ("key__startswith", "subject__istartswith")
    ordering = (F("resolved_at").desc(nulls_first=True), "-last_seen_at")
    actions = ("resolve",)

    @display(description="status", label=LEVEL)
    def status(self, alert: Alert) -> str:
        return "resolved" if alert.resolved_at else alert.level

    @admin.action(description="Resolve: it opens again when it is seen again")
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        opened = list(queryset.filter(resolved_at=None))
        for alert in opened:
            resolve_alert(alert.key)
            record(action="resolve", entity="alert", entity_id=alert.pk, actor=actor_of(request))
        self.tell(request, (alert.subject for alert in opened), "resolved")
