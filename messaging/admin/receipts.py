from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from common.staff import Since, TrafficAdmin, same_id
from common.unfold import AutocompleteSelectFilter, ChoicesDropdownFilter, display
from messaging.admin.words import COLOURS, related
from messaging.models import Receipt


@admin.register(Receipt)
class ReceiptAdmin(TrafficAdmin):
    """Delivery Reports (S0-28)."""

    list_display = (
        "message_id",
        "sender_id",
        "msisdn",
        "shown_status",
        "error_code",
        "connector",
        "delay",
        "submit_date",
        "done_date",
        "received_at",
        "ea_account",
        "state",
        "provider_id",
    )
    nothing_yet = "Delivery reports appear here when DLR status updates are received"
    list_display_links = ("received_at",)
    list_select_related = ("connector",)
    list_filter = (Since, ("connector", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter))
    search_help_text = "Receipt or part id, exactly"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receipt]:
        # Fetched by key for the page alone: a join of three growing tables would be at the planner's mercy.
        return super().get_queryset(request).prefetch_related("part__message__account")

    def exactly(self, term: str) -> Q | None:
        """By its own id or the part's (both indexed)."""
        own, of_part = same_id("pk", term), same_id("part_id", term)
        return own | of_part if own is not None and of_part is not None else None

    @display(description="message ID")
    def message_id(self, receipt: Receipt) -> Any:
        return getattr(related(receipt, "part"), "message_id", None)

    @display(description="sender ID")
    def sender_id(self, receipt: Receipt) -> str:
        message = related(receipt, "part", "message")
        return str(message.sender) if message else receipt.destination

    @display(description="MSISDN")
    def msisdn(self, receipt: Receipt) -> str:
        message = related(receipt, "part", "message")
        return str(message.recipient) if message else receipt.source

    @display(description="DLR status", label=COLOURS)
    def shown_status(self, receipt: Receipt) -> str:
        return receipt.status

    @display(description="delay")
    def delay(self, receipt: Receipt) -> timedelta | None:
        submitted = getattr(related(receipt, "part"), "submitted_at", None)
        if submitted is None:
            return None
        return timedelta(seconds=int((receipt.received_at - submitted).total_seconds()))

    @display(description="EA account")
    def ea_account(self, receipt: Receipt) -> Any:
        return related(receipt, "part", "message", "account")
