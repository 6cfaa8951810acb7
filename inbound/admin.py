from django.contrib import admin
from django.db.models import Q

from common.phone import InvalidNumber, normalise
from common.staff import Since, TrafficAdmin, same_id
from common.unfold import AutocompleteSelectFilter
from inbound.models import InboundMessage


@admin.register(InboundMessage)
class InboundMessageAdmin(TrafficAdmin):
    """Inbound messages (S0-32)."""

    list_display = ("id", "source", "destination", "content", "connector", "account", "received_at")
    list_select_related = ("connector", "account")
    list_filter = (Since, ("connector", AutocompleteSelectFilter), ("account", AutocompleteSelectFilter))
    search_help_text = "Id, or the short code or number that was texted, exactly"

    def exactly(self, term: str) -> Q | None:
        """By id, or by destination (indexed)."""
        by_id = same_id("pk", term)
        return by_id if by_id is not None else Q(destination__in={term, _digits(term)})


def _digits(term: str) -> str:
    try:
        return normalise(term, allow_short=True)
    except InvalidNumber:
        return term
