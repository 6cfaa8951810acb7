from django.contrib import admin
from django.db.models import Q

from common.staff import Since, TrafficAdmin, same_id
from common.unfold import AutocompleteSelectFilter, ChoicesDropdownFilter, display
from messaging.models import Delivery, DeliveryAttempt


@admin.register(Delivery)
class DeliveryAdmin(TrafficAdmin):
    """Events on their way to customers; EXHAUSTED are the dead letters."""

    list_display = (
        "id",
        "kind",
        "subject",
        "account",
        "url",
        "smpp_client",
        "shown_state",
        "tries",
        "next_try_at",
        "last_code",
        "last_error",
        "created_at",
        "done_at",
    )
    list_select_related = ("account", "smpp_client")
    list_filter = (Since, ("account", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter))
    search_help_text = "Event, message or inbound id, exactly"

    def exactly(self, term: str) -> Q | None:
        """By its own id or its subject's (both indexed)."""
        own, subject = same_id("pk", term), same_id("subject", term)
        return own | subject if own is not None and subject is not None else None

    @display(
        description="state",
        label={"PENDING": "info", "CLAIMED": "info", "DELIVERED": "success", "EXHAUSTED": "danger"},
    )
    def shown_state(self, delivery: Delivery) -> str:
        return delivery.state


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(TrafficAdmin):
    """Tries of deliveries that failed."""

    list_display = ("delivery_id", "number", "at", "code", "error", "milliseconds")
    list_filter = ()
    search_help_text = "Event id, exactly"

    def exactly(self, term: str) -> Q | None:
        """By the delivery's id."""
        return same_id("delivery_id", term)
