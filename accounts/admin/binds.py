from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import ClientBind
from common.staff import OpenOrEnded, ReadOnlyAdmin
from common.unfold import AutocompleteSelectFilter, display

STATUS = {"bound": "success", "ended": "info"}


class Bound(OpenOrEnded):
    """Who is bound, or who was."""

    words = {"open": "Bound", "ended": "Ended"}


@admin.register(ClientBind)
class ClientBindAdmin(ReadOnlyAdmin):
    """Who is bound to the SMPP server, and who was."""

    list_display = ("smpp_client", "mode", "address", "server", "status", "since", "ended_at", "reason", "submitted")
    nothing_yet = "No client has bound yet."
    list_filter = (
        Bound,
        ("smpp_client", AutocompleteSelectFilter),
    )
    search_fields = ("smpp_client__system_id__istartswith", "address__startswith")
    list_select_related = ("smpp_client",)
    ordering = ("-since",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientBind]:
        return super().get_queryset(request).order_by("-since")

    @display(description="status", label=STATUS)
    def status(self, bind: ClientBind) -> str:
        return "ended" if bind.ended_at else "bound"
