from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from accounts.audit import Actor, changes, entity, facts, record
from accounts.models import AuditEntry
from common.staff import Deed, ReadOnlyAdmin, record_with
from common.staff.lists import NoCountPaginator, TrafficList
from common.unfold import AutocompleteSelectFilter


def actor_of(request: HttpRequest) -> Actor:
    """The person who sent the request."""
    user = request.user
    return Actor(user.get_username(), user.pk, request.META.get("REMOTE_ADDR"))


def _record(deed: Deed) -> None:
    changed = deed.action == "change"
    details = dict(changes(deed.row, deed.before, deed.after) if changed else facts(deed.row))
    if deed.related:
        details["related"] = list(deed.related)
    record(
        action=deed.action,
        entity=entity(deed.row),
        entity_id=deed.row.pk,
        details=details,
        actor=actor_of(deed.request),
    )


record_with(_record)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Audit Logs (S0-99)."""

    list_display = ("id", "at", "actor", "action", "entity", "entity_id", "ip", "details")
    list_filter = (("user", AutocompleteSelectFilter),)
    search_fields = ("entity_id__exact",)
    search_help_text = "Entity, action or actor, exactly as written"
    ordering = ("-id",)
    sortable_by = ()
    paginator = NoCountPaginator
    list_max_show_all = 50

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[TrafficList]:
        return TrafficList

    def get_search_results(self, request: HttpRequest, queryset, search_term: str):  # type: ignore[no-untyped-def]
        """Rows whose entity, its id, the action or the actor is the term."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(entity_id=term) | Q(entity=term) | Q(action=term) | Q(actor=term)), False
